package jepsen

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"acquired/jepsen/cluster"
	"acquired/jepsen/marks"
)

// TestSecrets uses all secrets that there are, rightly and wrongly, on nodes that
// log everything, saves a snapshot, kills the nodes and starts them again, and then
// looks for the secrets wherever something was written or shown.
func TestSecrets(t *testing.T) {
	t.Parallel()
	c := cluster.Start(t, cluster.Options{Configure: func(config map[string]any) {
		config["log"] = map[string]any{"level": "debug", "format": "text"}
	}})
	s := newSecrets(t, c)
	u := newUsage(t, s)
	u.useAll(t)
	file := filepath.Join(t.TempDir(), "snapshot")
	c.Run("cluster", "snapshot", "save", file)
	for _, n := range c.Nodes() {
		n.Kill()
		n.Start()
	}
	wantSound(t, c)
	u.useAll(t)
	s.look("snapshot", read(t, file))
	for _, n := range c.Nodes() {
		for _, page := range []string{"/metrics", "/healthz", "/readyz", "/.well-known/jwks.json"} {
			s.look(n.ID+page, get(t, n, page))
		}
		n.Stop()
	}
	// Only who has the state of a node, and the key that seals it, can say what the
	// cluster itself made.
	s.addSigningKeys(t, c.Node("node1"))
	for _, n := range c.Nodes() {
		if log := n.Log(); !bytes.Contains(log, []byte("level=DEBUG")) {
			t.Errorf("%s logged nothing at level debug", n.ID)
		}
		s.look("log of "+n.ID, n.Log())
	}
	s.lookThrough(t, c.Dir)
	s.judge(t)
}

// secrets are looked for in what was looked through.
type secrets struct {
	cluster *cluster.Cluster
	marks   marks.Marks
	names   []string
	// at are the places where a secret must be found, and may.
	at map[string][]string
	// content is what is looked through, by place.
	content map[string][]byte
	// canary is no secret. It goes the way of what is written to the log of the
	// cluster, so that to find it shows that secrets would be found there.
	canary []byte
}

// newSecrets knows what the folder of the cluster holds.
func newSecrets(t *testing.T, c *cluster.Cluster) *secrets {
	t.Helper()
	s := &secrets{cluster: c, at: make(map[string][]string), content: make(map[string][]byte), canary: make([]byte, 32)}
	_, _ = rand.Read(s.canary)
	s.addFiles(t)
	s.add("canary", s.canary, "snapshot")
	return s
}

// add looks for the secret, which must be found at the places and nowhere else.
func (s *secrets) add(name string, secret []byte, at ...string) {
	s.marks.Add(name, secret)
	s.names = append(s.names, name)
	s.at[name] = append(s.at[name], at...)
}

func (s *secrets) look(place string, content []byte) { s.content[place] = content }

// lookThrough looks at all files of a folder. Their places are relative to it.
func (s *secrets) lookThrough(t *testing.T, folder string) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		place, err := filepath.Rel(folder, path)
		s.look(place, read(t, path))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
}

func (s *secrets) judge(t *testing.T) {
	t.Helper()
	planted := make([]byte, 32)
	_, _ = rand.Read(planted)
	s.add("planted", planted, "planted")
	s.look("planted", fmt.Appendf(nil, "level=DEBUG planted=%x", planted))
	size, found := 0, make(map[string]map[string]bool)
	for _, name := range s.names {
		found[name] = make(map[string]bool)
	}
	for _, place := range slices.Sorted(maps.Keys(s.content)) {
		size += len(s.content[place])
		for _, f := range s.marks.Find(s.content[place]) {
			if !found[f.Mark][place] && !s.mayBe(f.Mark, place) {
				t.Errorf("the secret %q is in %s at %d, as %s", f.Mark, place, f.Offset, f.Form)
			}
			found[f.Mark][place] = true
		}
	}
	for _, name := range s.names {
		for _, place := range s.at[name] {
			if !found[name][place] {
				t.Errorf("%q is not found in %s, where it is: what else is not?", name, place)
			}
		}
	}
	s.wantCanary(t, found["canary"])
	t.Logf("%d secrets, looked for in %d places, %d bytes", len(s.names), len(s.content), size)
}

func (s *secrets) mayBe(name, place string) bool {
	return name == "canary" || slices.Contains(s.at[name], place)
}

// wantCanary fails unless the canary is in the log and in the state of each node.
func (s *secrets) wantCanary(t *testing.T, found map[string]bool) {
	t.Helper()
	places := slices.Sorted(maps.Keys(found))
	for id := range s.cluster.Nodes() {
		for _, pattern := range []string{filepath.Join(id, "data", "raft.db"), filepath.Join(id, "data", "state", "*", "db", "*.sst")} {
			seen := slices.ContainsFunc(places, func(place string) bool {
				matches, err := filepath.Match(pattern, place)
				return matches && err == nil
			})
			if !seen {
				t.Errorf("what is no secret is not found in %s: it is in %v", pattern, places)
			}
		}
	}
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func get(t *testing.T, n *cluster.Node, page string) []byte {
	t.Helper()
	res, err := http.Get("http://" + n.HTTP() + page)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	if err != nil || len(content) == 0 {
		t.Fatalf("%s%s: %s, %d bytes, %v, want some", n.ID, page, res.Status, len(content), err)
	}
	return content
}
