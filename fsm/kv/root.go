package kv

import (
	"sync/atomic"

	"github.com/google/btree"
)

// root is what is in memory of a table, in one version.
type root struct {
	tree  *btree.BTreeG[row] // nil for a stored table
	trie  trie               // of a hashed table: the rows of the tree
	stamp uint64
}

// row is a record of a resident table. The key has no prefix.
type row struct {
	key   string
	value any
}

func lessRow(a, b row) bool { return a.key < b.key }

// stamps counts the stamps of the process.
var stamps atomic.Uint64

func newStamp() uint64 { return stamps.Add(1) }

func newRoot(t *table) root {
	r := root{stamp: newStamp()}
	if t.resident() {
		r.tree = btree.NewG(treeDegree, lessRow)
	}
	return r
}

// set puts the row in, or takes it out when its value is nil. The trie is left
// to fillTrie while the table is loaded.
func (r *root) set(t *table, row row, loading bool) {
	if t.hash != nil && !loading {
		r.trie = r.trie.with(t.hashRow(row))
	}
	if row.value == nil {
		r.tree.Delete(row)
		return
	}
	r.tree.ReplaceOrInsert(row)
}

// fillTrie makes the trie of all rows of the tree at once, which takes a
// fraction of the time that one change for each takes.
func (r *root) fillTrie(t *table) {
	rows := make([]hashedRow, 0, r.tree.Len())
	r.tree.Ascend(func(row row) bool {
		rows = append(rows, t.hashRow(row))
		return true
	})
	r.trie = split(rows, 0)
}

func (t *table) hashRow(r row) hashedRow {
	text := r.key[:len(r.key)-1]
	return hashedRow{hash: t.hash(text), key: text, value: r.value}
}

// get gives the value at the full key of a resident table, or nil.
func (r *root) get(t *table, key []byte) any {
	key = key[len(t.prefix):]
	if t.hash != nil {
		return r.find(t, string(key[:len(key)-1]))
	}
	found, _ := r.tree.Get(row{key: string(key)})
	return found.value
}

// find gives the value at the key of a hashed table, or nil.
func (r *root) find(t *table, text string) any { return r.trie.get(t.hash(text), text) }
