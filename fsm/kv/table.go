package kv

import (
	"fmt"
	"iter"
	"sync/atomic"
)

// Table is a typed, ordered set of records. A record knows its key.
type Table[K Key, V any] struct {
	t   *table
	key func(V) K
	// text is the string that a key of a hashed table is, and nil for others.
	text func(K) string
}

// table is what the package knows of a Table without its types. Records are
// held as pointers to V that nobody changes once they are put.
type table struct {
	name   string
	slot   int // where its tree is in a version; in memory only
	prefix []byte
	kind   Kind
	// memoryOnly tables are made anew when a store is opened.
	memoryOnly bool

	append func(b []byte, v any) []byte
	decode func(b []byte) (any, error)
	// hash is that of a key of a hashed table, and nil for others.
	hash func(key string) uint64
	// indexes are told of every change.
	indexes []indexer
}

// slots counts the tables of the process.
var slots atomic.Int32

// NewTable declares a table of the schema. The name goes to disk, as the
// beginning of every key: never change it.
func NewTable[K Key, V any](schema *Schema, name string, codec Codec[V], key func(V) K, kind Kind) *Table[K, V] {
	t := &table{
		name:   name,
		slot:   int(slots.Add(1)) - 1,
		prefix: append([]byte(name), 0),
		kind:   kind,
		append: func(b []byte, v any) []byte { return codec.Append(b, *v.(*V)) },
		decode: func(b []byte) (any, error) {
			v, err := codec.Decode(b)
			return &v, err
		},
	}
	schema.tables = append(schema.tables, t)
	return &Table[K, V]{t: t, key: key}
}

// TextKey is a key that is a string without zero bytes. Its AppendKey must do
// what that of StringKey does: append the string and a zero byte.
type TextKey interface {
	~string
	Key
}

// NewHashed declares a table like NewTable, that is hashed. Resident need not be
// said in its kind. It panics when a key is not as TextKey promises.
func NewHashed[K TextKey, V any](schema *Schema, name string, codec Codec[V], key func(V) K, kind Kind) *Table[K, V] {
	return newHashed(schema, name, codec, key, kind, hashString)
}

func newHashed[K TextKey, V any](
	schema *Schema, name string, codec Codec[V], key func(V) K, kind Kind, hash func(string) uint64,
) *Table[K, V] {
	if key := K("k").AppendKey(nil); string(key) != "k\x00" {
		panic(fmt.Sprintf("state: table %s: a hashed table needs keys like StringKey, %q is another", name, key))
	}
	t := NewTable(schema, name, codec, key, kind|Resident)
	t.t.hash = hash
	t.text = func(k K) string { return string(k) }
	return t
}

func (t *table) resident() bool { return t.kind&Resident != 0 }

// covered says whether the state hash covers the table.
func (t *table) covered() bool { return t.kind&Bookkeeping == 0 }

// mustDecode reads back what the package wrote.
func (t *table) mustDecode(key, value []byte) any {
	v, err := t.decode(value)
	if err != nil {
		panic(fmt.Sprintf("state: table %s: key %q: %v", t.name, key, err))
	}
	return v
}

// end is the first key behind all keys of the table.
func (t *table) end() []byte {
	end := append([]byte(nil), t.prefix...)
	end[len(end)-1] = 1
	return end
}

// keyRoom is enough for most keys.
const keyRoom = 96

// Get gives the record with the key.
func (t *Table[K, V]) Get(r Reader, k K) (v V, ok bool) {
	p := t.Ref(r, k)
	if p == nil {
		return v, false
	}
	return *p, true
}

// Ref gives the record with the key as it is held, or nil. The caller must not
// change it, and it stays what it is whatever is put later. This saves the copy
// that Get makes; for a hashed table neither allocates. The record of a stored
// table is read anew by every call.
func (t *Table[K, V]) Ref(r Reader, k K) *V {
	if t.text != nil {
		p, _ := r.root(t.t).find(t.t, t.text(k)).(*V)
		return p
	}
	p, _ := r.value(t.t, k.AppendKey(append(r.room(), t.t.prefix...))).(*V)
	return p
}

// Stamp is a number for the records of the table as r shows them: readers with
// equal stamps show equal records. Every change makes another, and so does
// taking it back. Stamps are of one process and no part of the state: they are
// good to check whether what was derived from the table and kept in memory still
// holds. None is zero.
func (t *Table[K, V]) Stamp(r Reader) uint64 { return r.root(t.t).stamp }

// All gives every record in the order of keys.
func (t *Table[K, V]) All(r Reader) iter.Seq[V] {
	return values[V](r.rows(t.t, t.t.prefix, t.t.end(), false))
}

// From gives the records in the order of keys, beginning with k or the first
// behind it.
func (t *Table[K, V]) From(r Reader, k K) iter.Seq[V] {
	from := k.AppendKey(append([]byte(nil), t.t.prefix...))
	return values[V](r.rows(t.t, from, t.t.end(), false))
}

func values[V any](rows func(yield func(key []byte, value any) bool)) iter.Seq[V] {
	return func(yield func(V) bool) {
		rows(func(_ []byte, value any) bool { return yield(*value.(*V)) })
	}
}

// Put sets the record, whether or not one with its key exists.
func (t *Table[K, V]) Put(tx *Tx, v V) {
	key := t.fullKey(tx, v)
	tx.change(t.t, string(key), tx.value(t.t, key), &v)
}

// Insert sets a record of which the caller knows that no other has its key,
// as for keys made by a command's NewID. It saves the look-up.
func (t *Table[K, V]) Insert(tx *Tx, v V) {
	tx.change(t.t, string(t.fullKey(tx, v)), nil, &v)
}

// Delete takes the record with the key away, if there is one.
func (t *Table[K, V]) Delete(tx *Tx, k K) {
	key := k.AppendKey(append([]byte(nil), t.t.prefix...))
	before := tx.value(t.t, key)
	if before == nil {
		return
	}
	tx.change(t.t, string(key), before, nil)
}

// fullKey gives a key that is good until the transaction builds the next.
func (t *Table[K, V]) fullKey(tx *Tx, v V) []byte {
	tx.scratch = t.key(v).AppendKey(append(tx.scratch[:0], t.t.prefix...))
	return tx.scratch
}
