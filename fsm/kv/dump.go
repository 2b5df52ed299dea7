package kv

import "iter"

// Dump gives every record of the view and every entry of its indexes, encoded,
// in the order of keys: from memory what memory holds, from the engine what it
// alone holds. Two views that dump the same are equal. The slices are valid
// until the next pair only.
func (v *View) Dump() iter.Seq2[[]byte, []byte] {
	return func(yield func(key, value []byte) bool) {
		var encoded []byte
		more := true
		for _, t := range v.v.store.tables {
			v.rows(t, t.prefix, t.end(), false)(func(key []byte, value any) bool {
				encoded = t.append(encoded[:0], value)
				more = yield(key, encoded)
				return more
			})
			if !more {
				return
			}
		}
	}
}
