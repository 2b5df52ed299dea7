package ledger

import (
	"testing"

	"pgregory.net/rapid"

	"acquired/fsm/command"
	"acquired/fsm/kv"
)

// TestSumsOfBackdatedEntries compares the sums with those of a list, for effective
// times anywhere, and beside each other on every level of the trie.
func TestSumsOfBackdatedEntries(t *testing.T) {
	t.Parallel()
	a, b := command.ID{Index: 1, Counter: 1}, command.ID{Index: 1, Counter: 2}
	rapid.Check(t, func(t *rapid.T) {
		store := kv.Open(kv.NewMemory(), &Schema)
		defer store.Retire()
		base := rapid.Int64Range(0, 1<<62).Draw(t, "base")
		nanos := rapid.Custom(func(t *rapid.T) int64 {
			return base ^ rapid.Int64Range(0, 255).Draw(t, "digit")<<rapid.IntRange(0, 54).Draw(t, "shift")
		})
		var all []entry
		kvtx := store.Begin()
		tx := &command.Tx{Tx: kvtx, Index: 2, Entry: new(command.Entry)}
		for range rapid.IntRange(0, 20).Draw(t, "entries") {
			e := entry{id: tx.NewID(), debit: a, credit: b, amount: Amount{Lo: rapid.Uint64Range(0, 99).Draw(t, "amount")}, effective: nanos.Draw(t, "effective")}
			if rapid.Bool().Draw(t, "the other way") {
				e.debit, e.credit = b, a
			}
			noteBackdated(tx, &e)
			all = append(all, e)
		}
		kvtx.Commit()
		view := store.View()
		defer view.Close()
		for range 10 {
			at := backdatedKey{nanos.Draw(t, "before"), command.ID{Index: 2, Counter: rapid.Uint32Range(0, 22).Draw(t, "id")}}
			var before, logged posted
			for _, e := range all {
				more := posted{debits: e.amount}
				if e.credit == a {
					more = posted{credits: e.amount}
				}
				if e.id.Counter < at.id.Counter {
					logged.add(more)
				}
				if e.effective < at.effective || e.effective == at.effective && e.id.Counter < at.id.Counter {
					before.add(more)
				}
			}
			if got := backdatedBefore(view, a, at); got != before {
				t.Fatalf("before %v there is %v, want %v", at, got, before)
			}
			if got := backdatedLogged(view, a, at.id); got != logged {
				t.Fatalf("logged before %v there is %v, want %v", at.id, got, logged)
			}
		}
	})
}
