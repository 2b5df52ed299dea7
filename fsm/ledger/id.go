package ledger

import (
	"fmt"
	"math"

	"acquired/fsm/command"
)

// Ids of entries, audit lines and the like are in the order in which these were made.

// formatID writes an id as "INDEX.COUNTER".
func formatID(id command.ID) string { return fmt.Sprintf("%d.%d", id.Index, id.Counter) }

// isBefore says whether what has the id a was made before what has b.
func isBefore(a, b command.ID) bool {
	return a.Index < b.Index || a.Index == b.Index && a.Counter < b.Counter
}

// next gives the id behind another.
func next(id command.ID) command.ID {
	switch {
	case id.Counter < math.MaxUint32:
		id.Counter++
	case id.Index < math.MaxUint64:
		id = command.ID{Index: id.Index + 1}
	}
	return id
}

// previous gives the id before another; that of the first is itself, and no entry
// has it.
func previous(id command.ID) command.ID {
	switch {
	case id.Counter > 0:
		id.Counter--
	case id.Index > 0:
		id = endOf(id.Index - 1)
	}
	return id
}

// endOf is behind all that was made at the index.
func endOf(index uint64) command.ID { return command.ID{Index: index, Counter: math.MaxUint32} }
