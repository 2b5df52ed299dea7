package kv

import "testing"

// TestReleasedVersionsStayReleased: a reader that meets a version the moment
// its last view is closed takes the next one.
func TestReleasedVersionsStayReleased(t *testing.T) {
	t.Parallel()
	store := Open(NewMemory())
	old := store.current.Load()
	store.Begin().Commit()
	if old.acquire() {
		t.Error("a version whose snapshot is closed can be viewed again")
	}
	if view := store.View(); view == nil || view.v == old {
		t.Errorf("View gives the version %p, want the newest, not %p", view, old)
	}
}
