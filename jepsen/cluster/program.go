package cluster

import (
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// Main runs the tests of a package, and removes the program that was built for
// them. It gives the exit status.
func Main(m *testing.M) int {
	defer func() {
		if builtIn != "" {
			os.RemoveAll(builtIn)
		}
	}()
	return m.Run()
}

// Binary gives the path of the program.
func Binary(t testing.TB) string {
	t.Helper()
	binary, err := build()
	if err != nil {
		t.Fatal(err)
	}
	return binary
}

// builtIn is the folder of the program, once it has been built.
var builtIn string

// build compiles the program once for all tests of a process.
var build = sync.OnceValues(func() (binary string, err error) {
	if err := noteSources(); err != nil {
		return "", err
	}
	if builtIn, err = os.MkdirTemp("", "acquired-test-"); err != nil {
		return "", err
	}
	binary = filepath.Join(builtIn, "acquired")
	output, err := exec.Command("go", "build", "-o", binary, "acquired/cmd/acquired").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build: %w: %s", err, output)
	}
	return binary, nil
})

// programFolders hold the sources of the program.
var programFolders = []string{"client", "cmd", "fsm", "proto", "server"}

// noteSources looks at the folders with the sources of the program. The tests do
// not import them, and go test would repeat a result that it has kept although
// the program has changed; it does not when the test has looked at what changed.
func noteSources() error {
	root, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return fmt.Errorf("find the module: %w", err)
	}
	for _, folder := range programFolders {
		look := func(_ string, _ fs.DirEntry, err error) error { return err }
		if err := filepath.WalkDir(filepath.Join(strings.TrimSpace(string(root)), folder), look); err != nil {
			return err
		}
	}
	return nil
}
