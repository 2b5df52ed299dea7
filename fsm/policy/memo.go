package policy

import "sync/atomic"

// memo remembers which closures meet which policies. It is a table of a fixed
// size in which a pair has one place: a newer pair takes the place of an older
// one. A word is the two ids and the answer, so that it is read and written as
// one. Ids are never used again, and 0 is none.
var memo [1 << memoBits]atomic.Uint64

const (
	memoBits = 20
	// idBits is how much of an id a word has room for.
	idBits = 31
)

// place spreads pairs over the table.
func place(closure, policy uint32) *atomic.Uint64 {
	x := uint64(closure)<<32 | uint64(policy)
	x *= 0x9e3779b97f4a7c15
	return &memo[x>>(64-memoBits)]
}

// word is the ids, and the answer in the lowest bit.
func word(closure, policy uint32, met bool) uint64 {
	w := uint64(closure)<<(idBits+1) | uint64(policy)<<1
	if met {
		w |= 1
	}
	return w
}

func recall(closure, policy uint32) (met, known bool) {
	w := place(closure, policy).Load()
	return w&1 == 1, w>>1 == word(closure, policy, false)>>1 && w != 0
}

func remember(closure, policy uint32, met bool) {
	place(closure, policy).Store(word(closure, policy, met))
}
