package kv

import (
	"bytes"
	"fmt"
	"iter"
)

// indexer is an index as its table sees it.
type indexer interface {
	// update is called with the record before and after a change of it; nil is
	// no record.
	update(tx *Tx, key string, before, after any)
}

// Index finds the records of a table by something else than their key. It
// keeps itself. The index of a resident table is in memory only, and made anew
// when a store is opened.
type Index[I Key, V any] struct {
	of, t *table
	terms func(v V, add func(I))
	// unique indexes have the key of the record as the value of an entry;
	// others have it at the end of the entry's key, behind the term.
	unique bool
	// link is the value of all entries of an index that is not unique.
	link *entry
}

// entry is the value of an entry of an index: the full key of a record.
type entry string

// NewUnique declares an index in which a term leads to one record. A second
// record with a term is a broken invariant: the node stops. For a stored table
// this is not looked up again: look with Find before a record is put.
func NewUnique[I Key, K Key, V any](schema *Schema, of *Table[K, V], name string, term func(V) I) *Index[I, V] {
	index := newIndex[I](schema, of, name, func(v V, add func(I)) { add(term(v)) })
	index.unique = true
	return index
}

// NewIndex declares an index in which a term leads to any number of records,
// and a record has the terms that are added.
func NewIndex[I Key, K Key, V any](schema *Schema, of *Table[K, V], name string, terms func(v V, add func(I))) *Index[I, V] {
	return newIndex(schema, of, name, terms)
}

func newIndex[I Key, K Key, V any](schema *Schema, of *Table[K, V], name string, terms func(V, func(I))) *Index[I, V] {
	codec := Codec[entry]{
		Append: func(b []byte, e entry) []byte { return append(b, e[len(of.t.prefix):]...) },
		Decode: func(b []byte) (entry, error) { return entry(string(of.t.prefix) + string(b)), nil },
	}
	// The state hash covers the records; the index follows from them.
	t := NewTable(schema, name, codec, func(entry) StringKey { panic("index") }, of.t.kind|Bookkeeping).t
	link := entry(of.t.prefix)
	index := &Index[I, V]{of: of.t, t: t, terms: terms, link: &link}
	t.memoryOnly = t.resident()
	of.t.indexes = append(of.t.indexes, index)
	return index
}

func (x *Index[I, V]) update(tx *Tx, key string, before, after any) {
	if before != nil && after != nil && x.same(tx, before.(*V), after.(*V)) {
		return
	}
	if before != nil {
		x.terms(*before.(*V), func(term I) {
			at := x.at(tx, term, key)
			tx.change(x.t, string(at), tx.value(x.t, at), nil)
		})
	}
	if after != nil {
		x.terms(*after.(*V), func(term I) { x.add(tx, term, key) })
	}
}

// same says whether both records have the same terms, in which case the index
// does not change: balances change far more often than paths.
func (x *Index[I, V]) same(tx *Tx, before, after *V) bool {
	tx.scratch = tx.scratch[:0]
	note := func(term I) { tx.scratch = term.AppendKey(tx.scratch) }
	x.terms(*before, note)
	half := len(tx.scratch)
	x.terms(*after, note)
	return bytes.Equal(tx.scratch[:half], tx.scratch[half:])
}

func (x *Index[I, V]) add(tx *Tx, term I, key string) {
	at, e := x.at(tx, term, key), x.link
	if x.unique {
		if x.t.resident() && tx.value(x.t, at) != nil {
			panic(fmt.Sprintf("state: index %s: two records at %q", x.t.name, at))
		}
		e = new(entry(key))
	}
	tx.change(x.t, string(at), nil, e)
}

// at is the full key of the entry that leads from the term to the record. It is
// good until the transaction builds the next.
func (x *Index[I, V]) at(tx *Tx, term I, key string) []byte {
	tx.scratch = term.AppendKey(append(tx.scratch[:0], x.t.prefix...))
	if !x.unique {
		tx.scratch = append(tx.scratch, key[len(x.of.prefix):]...)
	}
	return tx.scratch
}

// Find gives the record with the term, for a unique index.
func (x *Index[I, V]) Find(r Reader, term I) (v V, ok bool) {
	e, ok := r.value(x.t, term.AppendKey(append(r.room(), x.t.prefix...))).(*entry)
	if !ok {
		return v, false
	}
	return *x.record(r, []byte(*e)), true
}

func (x *Index[I, V]) record(r Reader, key []byte) *V {
	v, ok := r.value(x.of, key).(*V)
	if !ok {
		panic(fmt.Sprintf("state: index %s leads to %q, which does not exist", x.t.name, key))
	}
	return v
}

// Scan gives the records with the term, for an index that is not unique, in the
// order of their keys or backward. With a non-nil after it goes on behind the
// record with that key.
func (x *Index[I, V]) Scan(r Reader, term I, after Key, backward bool) iter.Seq[V] {
	prefix := term.AppendKey(append([]byte(nil), x.t.prefix...))
	from, to := prefix, behind(prefix)
	if after != nil {
		cut := after.AppendKey(append([]byte(nil), prefix...))
		if backward {
			to = cut
		} else {
			from = append(cut, 0)
		}
	}
	return func(yield func(V) bool) {
		r.rows(x.t, from, to, backward)(func(at []byte, _ any) bool {
			key := append(append(make([]byte, 0, keyRoom), x.of.prefix...), at[len(prefix):]...)
			return yield(*x.record(r, key))
		})
	}
}

// behind is the first key behind all that begin with prefix.
func behind(prefix []byte) []byte {
	end := append([]byte(nil), prefix...)
	for i := len(end) - 1; i >= 0; i-- {
		end[i]++
		if end[i] != 0 {
			return end[:i+1]
		}
	}
	panic("state: no key is behind this prefix")
}
