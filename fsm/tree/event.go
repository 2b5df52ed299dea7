package tree

import (
	"iter"
	"slices"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
)

// Event is a change of the tree, kept for those who watch it.
type Event struct {
	ID    command.ID
	Nanos int64
	What  What
	Path  path.Path
	// From is what a moved node was called before.
	From path.Path
	// Tag and Unique are of the annotation.
	Tag    string
	Unique uint64
	// Sets are the role sets of the View clauses that governed the path when the
	// change was made: before it, for a removal. Hidden is set when there was no
	// such clause, or when they have more than MaxEventRoles roles: then only
	// operators are told.
	Sets   [][]path.Path
	Hidden bool
}

// What says what happened.
type What uint8

// These are stored: never change one.
const (
	Created What = iota + 1
	Removed
	Moved
	Annotated
	Unannotated
)

var whatNames = [...]string{Created: "created", Removed: "removed", Moved: "moved", Annotated: "annotated", Unannotated: "unannotated"}

// String gives the name in the API.
func (w What) String() string { return whatNames[w] }

const (
	// MaxEvents is how many of the newest events are kept at least. There may be
	// eventLot more.
	MaxEvents = 1 << 20
	// eventLot is how many are dropped at once: to find the oldest reads all that
	// the entry has changed so far, which may be much.
	eventLot = 1024
)

var events = kv.NewTable(&Schema, "tree/event", kv.Codec[Event]{Append: appendEvent, Decode: decodeEvent},
	func(e Event) command.ID { return e.ID }, 0)

func appendEvent(b []byte, e Event) []byte {
	b = command.AppendID(b, e.ID)
	b = kv.AppendUint(kv.AppendInt(b, e.Nanos), uint64(e.What))
	b = kv.AppendString(kv.AppendString(b, e.Path), e.From)
	b = kv.AppendUint(kv.AppendString(b, e.Tag), e.Unique)
	b = kv.AppendUint(kv.AppendBool(b, e.Hidden), uint64(len(e.Sets)))
	for _, set := range e.Sets {
		b = kv.AppendUint(b, uint64(len(set)))
		for _, role := range set {
			b = kv.AppendString(b, role)
		}
	}
	return b
}

func decodeEvent(b []byte) (Event, error) {
	d := kv.NewDecoder(b)
	e := Event{ID: command.DecodeID(&d), Nanos: d.Int(), What: What(d.Uint()), Path: path.Path(d.String()), From: path.Path(d.String())}
	e.Tag, e.Unique, e.Hidden = d.String(), d.Uint(), d.Bool()
	for range min(d.Uint(), (1+path.MaxDepth)*MaxAnnotations*MaxSets) {
		set := []path.Path{}
		for range min(d.Uint(), MaxSetRoles) {
			set = append(set, path.Path(d.String()))
		}
		e.Sets = append(e.Sets, set)
	}
	return e, d.Err()
}

// MaxEventRoles is how many roles of View clauses are kept with an event.
const MaxEventRoles = 1024

// kept says which events there are.
type kept struct {
	count  uint64
	oldest command.ID
	// dropped is the index of the newest event that is not kept any more.
	dropped uint64
}

const theKept = kv.StringKey("events")

var keptEvents = kv.NewTable(&Schema, "tree/events_kept", kv.Codec[kept]{
	Append: func(b []byte, k kept) []byte {
		return kv.AppendUint(command.AppendID(kv.AppendUint(b, k.count), k.oldest), k.dropped)
	},
	Decode: func(b []byte) (kept, error) {
		d := kv.NewDecoder(b)
		k := kept{d.Uint(), command.DecodeID(&d), d.Uint()}
		return k, d.Err()
	},
}, func(kept) kv.StringKey { return theKept }, kv.Resident)

// note keeps the event of a change at the path, which must exist now.
func note(tx *command.Tx, e Event) {
	e.ID, e.Nanos = tx.NewID(), tx.Time
	e.Hidden = true
	for above := range e.Path.Ancestors() {
		for _, c := range Clauses(tx, above) {
			if c.Operation == command.View && c.InForce(tx.Time) && (!c.Local || above == e.Path) {
				e.Hidden = false
				e.Sets = append(e.Sets, c.Sets...)
			}
		}
	}
	if roles := distinct(&e); roles > MaxEventRoles {
		e.Sets, e.Hidden = nil, true
	}
	events.Insert(tx.Tx, e)
	k, _ := keptEvents.Get(tx, theKept)
	k.count++
	if k.count >= MaxEvents+eventLot {
		dropOldest(tx, &k)
	}
	keptEvents.Put(tx.Tx, k)
}

// distinct keeps of equal sets the first, and counts the roles of those it keeps.
func distinct(e *Event) (roles int) {
	kept := e.Sets[:0:0]
	for _, set := range e.Sets {
		if slices.ContainsFunc(kept, func(other []path.Path) bool { return slices.Equal(set, other) }) {
			continue
		}
		kept = append(kept, set)
		if roles += len(set); roles > MaxEventRoles {
			break
		}
	}
	e.Sets = kept
	return roles
}

func dropOldest(tx *command.Tx, k *kept) {
	drop := make([]command.ID, 0, eventLot)
	for e := range events.From(tx, k.oldest) {
		k.oldest = e.ID
		if len(drop) == eventLot {
			break
		}
		drop = append(drop, e.ID)
		k.dropped = e.ID.Index
	}
	for _, id := range drop {
		events.Delete(tx.Tx, id)
	}
	k.count -= uint64(len(drop))
}

// Events gives the events behind the id, in order.
func Events(r kv.Reader, after command.ID) iter.Seq[Event] {
	return func(yield func(Event) bool) {
		for e := range events.From(r, after) {
			if e.ID != after && !yield(e) {
				return
			}
		}
	}
}

// EventsDropped gives the index of the newest event that is not kept any more.
func EventsDropped(r kv.Reader) uint64 {
	k, _ := keptEvents.Get(r, theKept)
	return k.dropped
}

// NoteAnnotation keeps the event of an annotation that others hung on a node.
func NoteAnnotation(tx *command.Tx, what What, p path.Path, tag string, unique uint64) {
	note(tx, Event{What: what, Path: p, Tag: tag, Unique: unique})
}
