package conformance

import (
	"maps"
	"path/filepath"
	"slices"

	pb "acquired/proto/acquired/v1"
)

// operations are those of Access Manager, in the order of their letters.
var operations = []string{"View", "Read", "Write", "Admin", "UseRole", "ApplyRole", "VouchFor"}

const letters = "VRWAUPF"

// hidden stands for a path that the caller may not View.
const hidden = "not found"

// checkPermissions asks, as the operator, what each caller may do with each path.
func (w *world) checkPermissions(c *comparison) {
	all, _ := read[map[string]recordedPermissions](c.t, filepath.Join(w.dir, c.file))
	for _, caller := range slices.Sorted(maps.Keys(all)) {
		recorded := make(map[string]string)
		maps.Copy(recorded, all[caller].Seen)
		for _, path := range all[caller].NotFound {
			recorded[path] = hidden
		}
		paths := slices.Sorted(maps.Keys(recorded))
		for i, here := range w.allowed(c, caller, paths) {
			c.row(caller+" "+paths[i], recorded[paths[i]], here)
		}
	}
}

// allowed gives the letters of what the caller may do with each path, or hidden.
func (w *world) allowed(c *comparison, caller string, paths []string) (all []string) {
	c.t.Helper()
	res, err := w.operator.Acl.CheckMany(c.t.Context(), &pb.CheckManyRequest{Principal: caller, Paths: paths, Operations: operations})
	if err != nil {
		c.t.Fatalf("what %s may do: %v", caller, err)
	}
	for i := range paths {
		may := ""
		for bit, letter := range letters {
			if res.Allowed[i]&(1<<bit) != 0 {
				may += string(letter)
			}
		}
		if !res.Visible[i] {
			may += hidden
		}
		all = append(all, may)
	}
	return all
}
