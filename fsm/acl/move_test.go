package acl_test

import (
	"testing"

	"acquired/proto/fault"
)

// TestMoveLooksBeforeItMoves: a role below the moved directory is named by a
// clause further down, which is asked about while the tree is whole.
func TestMoveLooksBeforeItMoves(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	must(t, m.Operator, leafAt("/role/d/a"), leafAt("/role/d/z"),
		annotated("/role/d", clauseNote("Meter", 0)), annotated("/role/d/z", clauseNote("Meter", 0, []string{"/role/d/a"})))
	f := refused(t, m, alice, fault.Conflict, all(move("/role/d", "e")))
	if f.Details["used_by"] != "/role/d/z" {
		t.Errorf("the role is said to be used by %q, want /role/d/z", f.Details["used_by"])
	}
}
