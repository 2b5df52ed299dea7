package client_test

import (
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Programs of all sorts link the client, so it may bring along only what it
// takes to speak the public API.
func TestDependencies(t *testing.T) {
	const reason = "the client is linked into other people's programs: what both sides need belongs in acquired/proto"
	for _, path := range goList(t, "-deps", "-f", "{{.ImportPath}}", "acquired/client") {
		if !strings.HasPrefix(path, "acquired/") || path == "acquired/client" {
			continue
		}
		if path != "acquired/proto/fault" && path != "acquired/proto/acquired/v1" {
			t.Errorf("client depends on %s; %s", path, reason)
		}
	}

	allowed := []string{"acquired/proto/", "google.golang.org/grpc", "google.golang.org/protobuf/", "golang.org/x/sync/", "golang.org/x/mod/sumdb/note"}
	for _, path := range goList(t, "-f", `{{join .Imports "\n"}}`, "acquired/client") {
		standard := !strings.Contains(strings.Split(path, "/")[0], ".") && !strings.HasPrefix(path, "acquired/")
		if !standard && !slices.ContainsFunc(allowed, func(prefix string) bool { return strings.HasPrefix(path, prefix) }) {
			t.Errorf("client imports %s, which is none of %v; %s", path, allowed, reason)
		}
	}
}

func goList(t *testing.T, args ...string) []string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), "go", append([]string{"list"}, args...)...).CombinedOutput()
	if err != nil {
		t.Fatalf("go list %v: %v\n%s", args, err, out)
	}
	return strings.Fields(string(out))
}
