package fsm

import (
	"fmt"
	"sync"

	"acquired/fsm/command"
	"acquired/fsm/kv"
)

// schema lists the machine's own tables. All are bookkeeping: where the machine
// is and what it answered.
var schema kv.Schema

// position is where the state is in the log. It is written with every entry,
// in the same batch, so a state always knows which entries it holds.
type position struct {
	index, term uint64
	time        int64
	// The answers that are kept: how many, how large, and the oldest.
	answers, answerBytes uint64
	oldestAnswer         command.ID
}

const thePosition = kv.StringKey("position")

var positions = kv.NewTable(&schema, "machine/position", kv.Codec[position]{
	Append: appendPosition,
	Decode: decodePosition,
}, func(position) kv.StringKey { return thePosition }, kv.Resident|kv.Bookkeeping)

func appendPosition(b []byte, p position) []byte {
	b = kv.AppendUint(b, p.index)
	b = kv.AppendUint(b, p.term)
	b = kv.AppendInt(b, p.time)
	b = kv.AppendUint(b, p.answers)
	b = kv.AppendUint(b, p.answerBytes)
	return command.AppendID(b, p.oldestAnswer)
}

func decodePosition(b []byte) (position, error) {
	d := kv.NewDecoder(b)
	p := position{
		index: d.Uint(), term: d.Uint(), time: d.Int(),
		answers: d.Uint(), answerBytes: d.Uint(), oldestAnswer: command.DecodeID(&d),
	}
	return p, d.Err()
}

func positionOf(r kv.Reader) position {
	p, _ := positions.Get(r, thePosition)
	return p
}

// Advance moves a state that no machine has open to an index and term, as when
// a backup is restored into a cluster whose log is further. It never moves one
// back.
func Advance(engine kv.Engine, index, term uint64) {
	store := kv.Open(engine, schemas()...)
	defer store.Retire()
	tx := store.Begin()
	at := positionOf(tx)
	if at.index >= index {
		return
	}
	at.index, at.term = index, term
	positions.Put(tx, at)
	tx.Commit()
}

// Check says whether a state that no machine has open is at the index and has
// the hash that it is said to have.
func Check(engine kv.Engine, index uint64, hash string) error {
	store := kv.Open(engine, schemas()...)
	defer store.Retire()
	view := store.View()
	defer view.Close()
	if at := positionOf(view).index; at != index {
		return fmt.Errorf("the state is at index %d, not at %d", at, index)
	}
	if found := view.Hash().String(); found != hash {
		return fmt.Errorf("the state hash is %s, not %s", found, hash)
	}
	return nil
}

// hashes remembers the state hash after each of the newest entries.
type hashes struct {
	mu   sync.Mutex
	ring [4096]struct {
		index uint64
		hash  kv.Hash
	}
	next int
}

func (h *hashes) add(index uint64, hash kv.Hash) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.put(index, hash)
}

// reset forgets all but the one.
func (h *hashes) reset(index uint64, hash kv.Hash) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.next = 0
	h.put(index, hash)
}

func (h *hashes) put(index uint64, hash kv.Hash) {
	at := &h.ring[h.next%len(h.ring)]
	at.index, at.hash = index, hash
	h.next++
}

func (h *hashes) at(index uint64) (kv.Hash, bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	for i := 1; i <= min(h.next, len(h.ring)); i++ {
		if at := h.ring[(h.next-i)%len(h.ring)]; at.index == index {
			return at.hash, true
		}
	}
	return kv.Hash{}, false
}
