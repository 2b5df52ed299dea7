package kv

import "slices"

// Overlay gives a transaction that tries changes out on the version of the view.
// It is never committed: Commit panics. It is no transaction of the store, which
// goes on beside it, and any number of them may be open; one goroutine uses each.
// The view must stay open for as long.
func (v *View) Overlay() *Tx {
	base := v.v
	return &Tx{
		base: base, roots: slices.Clone(base.roots), cloned: make([]bool, len(base.roots)),
		workspace: workspace{latest: make(map[string]int)},
	}
}
