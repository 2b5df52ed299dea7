package conformance

import "testing"

// TestRecorded asks a node everything that was recorded of Access Manager.
func TestRecorded(t *testing.T) {
	dir := recordings(t)
	listed := readDifferences(t)
	for _, name := range universes {
		t.Run(name, func(t *testing.T) {
			w := newWorld(t, dir, name)
			for _, part := range []struct {
				file  string
				check func(*world, *comparison)
			}{
				{"permissions.json", (*world).checkPermissions},
			} {
				t.Run(part.file, func(t *testing.T) {
					part.check(w, listed.compare(t, name, part.file))
				})
			}
		})
	}
	listed.checkUsed(t)
}
