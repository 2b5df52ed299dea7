package ledger

import (
	"iter"
	"slices"
	"testing"

	"acquired/fsm/command"
)

// TestMergeReadsOn merges so many streams that few items of each are read ahead, and
// stops at some item, forward and backward.
func TestMergeReadsOn(t *testing.T) {
	t.Parallel()
	for _, backward := range []bool{false, true} {
		ahead := func(p, q place) bool { return p.compare(q) < 0 != backward }
		var all []item
		var streams []stream
		for i := range maxAhead {
			var mine []item
			for n := range i % 11 { // fewer than are read ahead, as many, and more
				mine = append(mine, item{place: place{id: command.ID{Index: uint64(n*i%997 + n*1000), Counter: uint32(i)}}})
			}
			if backward {
				slices.Reverse(mine)
			}
			all = append(all, mine...)
			streams = append(streams, listed(mine))
		}
		slices.SortFunc(all, func(a, b item) int {
			if ahead(a.place, b.place) {
				return -1
			}
			return 1
		})
		for _, most := range []int{len(all), 0, 1, 3000} {
			var got []place
			for it := range merge(streams, ahead) {
				if len(got) == most {
					break
				}
				got = append(got, it.place)
			}
			want := all[:most]
			if len(got) != len(want) {
				t.Fatalf("backward %t: %d items, want %d", backward, len(got), len(want))
			}
			for i := range got {
				if got[i] != want[i].place {
					t.Fatalf("backward %t: item %d is %v, want %v", backward, i, got[i], want[i].place)
				}
			}
		}
	}
	for it := range merge(nil, nil) {
		t.Errorf("no streams give %v", it)
	}
}

// listed is a stream of a list.
func listed(all []item) stream {
	return func(behind *item) iter.Seq[item] {
		from := 0
		if behind != nil {
			from = 1 + slices.IndexFunc(all, func(it item) bool { return it.place == behind.place })
		}
		return func(yield func(item) bool) {
			for _, it := range all[from:] {
				if !yield(it) {
					return
				}
			}
		}
	}
}
