package conformance

import (
	"path/filepath"
	"testing"
)

// TestRecorded asks a node everything that was recorded of Access Manager.
func TestRecorded(t *testing.T) {
	dir := recordings(t)
	listed := readDifferences(t)
	for _, name := range universes {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, dir, name)
			for _, part := range []struct {
				name, file string
				check      func(*world, *comparison)
			}{
				{"nodes", "universe.json", (*world).checkNodes},
				{"permissions", "permissions.json", (*world).checkPermissions},
				{"hidden", "permissions.json", (*world).checkHidden},
				{"details", "details.json", (*world).checkDetails},
				{"vouch", "vouch.json", (*world).checkVouch},
				{"names", "plaintext_auth.json", (*world).checkNames},
				{"delegate", "dataset_credentials.json", (*world).checkDelegation},
			} {
				if exists(filepath.Join(w.dir, part.file)) {
					t.Run(part.name, func(t *testing.T) { part.check(w, listed.compare(t, name, part.file)) })
				}
			}
			if exists(filepath.Join(w.dir, "mutations.json")) {
				t.Run("mutations", func(t *testing.T) { w.checkMutations(t, listed, name) })
			}
		})
	}
	listed.checkUsed(t)
}
