package conformance

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
)

// universes are the recorded ones; each is a folder.
var universes = []string{"bootstrap", "new_sample", "random/u01", "random/u02", "random/u03", "random/u04"}

// recordedNode is a line of a universe.json.
type recordedNode struct {
	Path         string               `json:"path"`
	Leaf         bool                 `json:"leaf"`
	AppliedRoles []string             `json:"applied_roles"`
	ACEs         []recordedACE        `json:"aces"`
	Annotations  []recordedAnnotation `json:"annotations"`
}

type recordedACE struct {
	// Operation is a name, or the number of none.
	Operation any        `json:"op"`
	Local     bool       `json:"local"`
	ACLs      [][]string `json:"acls"`
}

type recordedAnnotation struct {
	Tag  string `json:"tag"`
	Data string `json:"data"`
	// Version is recorded in the scenarios only.
	Version string `json:"version"`
}

// recordedPermissions is what one caller may do: the letters of its operations by
// path, and the paths that are nothing to it.
type recordedPermissions struct {
	Seen     map[string]string `json:"seen"`
	NotFound []string          `json:"not_found"`
}

type recordedDetails struct {
	Caller         string               `json:"caller"`
	Path           string               `json:"path"`
	Outcome        string               `json:"outcome"`
	IsDirectory    bool                 `json:"is_directory"`
	Children       []string             `json:"children"`
	Roles          []string             `json:"roles"`
	InheritedRoles []string             `json:"inherited_roles"`
	ACEs           []recordedACE        `json:"aces"`
	InheritedACEs  []recordedACE        `json:"inherited_aces"`
	Annotations    []recordedAnnotation `json:"annotations"`
	// loaders are the operations of clauses that the loader added here, which are
	// in no list.
	loaders []string
}

type recordedCredential struct {
	Caller     string   `json:"caller"`
	Path       string   `json:"path"`
	Operations []string `json:"operations"`
	Outcome    string   `json:"outcome"`
	Roles      []string `json:"roles"`
}

// outcomes are paths, or other things that were tried, by outcome.
type outcomes map[string][]string

// recordedMutations are by caller; roles are by path too.
type recordedMutations struct {
	Create            map[string]outcomes            `json:"create"`
	Delete            map[string]outcomes            `json:"delete"`
	Annotate          map[string]outcomes            `json:"annotate"`
	ApplyRole         map[string]map[string]outcomes `json:"apply-role"`
	AddACE            map[string]map[string]outcomes `json:"add-ace"`
	RemoveACE         map[string]outcomes            `json:"remove-ace"`
	RemoveAppliedRole map[string]outcomes            `json:"remove-applied-role"`
}

// recordings gives the folder of the recordings, and skips the test where there is
// none.
func recordings(t *testing.T) string {
	t.Helper()
	root, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for !exists(filepath.Join(root, "go.mod")) {
		if root == filepath.Dir(root) {
			t.Fatal("no go.mod above the test")
		}
		root = filepath.Dir(root)
	}
	dir := filepath.Join(root, "..", "shared", "data", "access-manager")
	if !exists(dir) {
		t.Skipf("the recordings of Access Manager are not at %s", dir)
	}
	return dir
}

func exists(name string) bool {
	_, err := os.Stat(name)
	return err == nil
}

// read gives a recorded file; ok is false where there is no such file.
func read[T any](t *testing.T, name string) (content T, ok bool) {
	t.Helper()
	data, err := os.ReadFile(name)
	if os.IsNotExist(err) {
		return content, false
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, &content); err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return content, true
}
