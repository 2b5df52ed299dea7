package ledger

import (
	"container/heap"
	"iter"
)

// stream gives items in order, from the first on or behind one that it gave.
type stream func(behind *item) iter.Seq[item]

// maxAhead is how many items are read ahead, of all streams together.
const maxAhead = 4096

// merge gives the items of all streams in order. Of each a few are read at a time:
// an iterator of the engine for each of thousands of accounts would take much more
// memory than that.
func merge(streams []stream, ahead func(p, q place) bool) iter.Seq[item] {
	return func(yield func(item) bool) {
		most := max(4, maxAhead/(1+len(streams)))
		h := &heads{ahead: ahead}
		for _, s := range streams {
			if head := (&head{stream: s}); head.read(most) {
				h.all = append(h.all, head)
			}
		}
		heap.Init(h)
		for len(h.all) > 0 {
			nearest := h.all[0]
			if !yield(nearest.items[0]) {
				return
			}
			if nearest.advance(most) {
				heap.Fix(h, 0)
			} else {
				heap.Pop(h)
			}
		}
	}
}

// head is what was read of a stream and not given yet.
type head struct {
	stream stream
	items  []item
	// ended: there are no more.
	ended bool
}

// read reads the next items and says whether there are any.
func (h *head) read(most int) bool {
	var behind *item
	if n := len(h.items); n > 0 {
		last := h.items[n-1]
		behind = &last
	}
	h.items = h.items[:0]
	for it := range h.stream(behind) {
		if h.items = append(h.items, it); len(h.items) == most {
			return true
		}
	}
	h.ended = true
	return len(h.items) > 0
}

// advance takes the first item away and says whether there is another.
func (h *head) advance(most int) bool {
	if len(h.items) > 1 {
		h.items = h.items[1:]
		return true
	}
	return !h.ended && h.read(most)
}

// heads implements heap.Interface: the first is the one whose item is ahead of all.
type heads struct {
	all   []*head
	ahead func(p, q place) bool
}

func (h *heads) Len() int           { return len(h.all) }
func (h *heads) Less(i, j int) bool { return h.ahead(h.all[i].items[0].place, h.all[j].items[0].place) }
func (h *heads) Swap(i, j int)      { h.all[i], h.all[j] = h.all[j], h.all[i] }
func (h *heads) Push(x any)         { h.all = append(h.all, x.(*head)) }
func (h *heads) Pop() any {
	last := h.all[len(h.all)-1]
	h.all = h.all[:len(h.all)-1]
	return last
}
