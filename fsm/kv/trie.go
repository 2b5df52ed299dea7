package kv

import (
	"hash/maphash"
	"slices"
)

const (
	// trieBits of a hash lead down one level of a trie.
	trieBits = 6
	// bucketRows is how many rows a bucket holds before it is split.
	bucketRows = 16
)

// trie finds rows by the hash of their key. It never changes: with gives another,
// which shares most of its memory with this one. The zero value is the empty
// trie. The order of its rows is another in every process, so nothing lists them.
type trie struct {
	// branches are the tries of the rows by the next bits of their hashes. If
	// there are none, the trie is a bucket.
	branches *[1 << trieBits]trie
	bucket   []hashedRow
}

// hashedRow is a row of a table that is found by hash. The key is the string
// that the key of the table is.
type hashedRow struct {
	hash  uint64
	key   string
	value any
}

// seed makes the hashes others in every process, so that nobody can choose
// keys that collide. No state depends on it.
var seed = maphash.MakeSeed()

func hashString(key string) uint64 { return maphash.String(seed, key) }

// get gives the value at the key, or nil.
func (t *trie) get(hash uint64, key string) any {
	rest := hash
	for t.branches != nil {
		t = &t.branches[rest%(1<<trieBits)]
		rest >>= trieBits
	}
	for i := range t.bucket {
		if row := &t.bucket[i]; row.hash == hash && row.key == key {
			return row.value
		}
	}
	return nil
}

// with gives the trie with the row, or without it when its value is nil.
func (t *trie) with(row hashedRow) trie {
	if row.value == nil {
		return t.delete(row, 0)
	}
	return t.set(row, 0)
}

// set gives the trie with the row. This trie is depth levels below the top.
func (t *trie) set(row hashedRow, depth int) trie {
	if t.branches != nil {
		branches := *t.branches
		next := &branches[digit(row.hash, depth)]
		*next = next.set(row, depth+1)
		return trie{branches: &branches}
	}
	if i := t.index(row); i >= 0 {
		bucket := slices.Clone(t.bucket)
		bucket[i] = row
		return trie{bucket: bucket}
	}
	return split(slices.Concat(t.bucket, []hashedRow{row}), depth)
}

// split makes a trie of rows, of which no two have one key, and keeps the slice.
// Rows whose whole hashes are equal stay in one bucket however many they are.
func split(rows []hashedRow, depth int) trie {
	if len(rows) <= bucketRows || depth*trieBits >= 64 {
		return trie{bucket: rows}
	}
	var parts [1 << trieBits][]hashedRow
	for _, row := range rows {
		part := &parts[digit(row.hash, depth)]
		*part = append(*part, row)
	}
	branches := new([1 << trieBits]trie)
	for i, part := range parts {
		branches[i] = split(slices.Clone(part), depth+1) // without room to grow
	}
	return trie{branches: branches}
}

// delete gives the trie without the row that has the hash and the key.
func (t *trie) delete(row hashedRow, depth int) trie {
	if t.branches != nil {
		branches := *t.branches
		next := &branches[digit(row.hash, depth)]
		*next = next.delete(row, depth+1)
		return join(&branches)
	}
	i := t.index(row)
	if i < 0 {
		return *t
	}
	return trie{bucket: slices.Concat(t.bucket[:i], t.bucket[i+1:])}
}

// join makes one bucket of branches that hold few rows: half of what is split,
// so that a trie does not change its shape with every change.
func join(branches *[1 << trieBits]trie) trie {
	var rows []hashedRow
	for i := range branches {
		rows = append(rows, branches[i].bucket...)
		if branches[i].branches != nil || len(rows) > bucketRows/2 {
			return trie{branches: branches}
		}
	}
	return trie{bucket: rows}
}

// index is where in the bucket the row with the key is, or -1.
func (t *trie) index(row hashedRow) int {
	return slices.IndexFunc(t.bucket, func(r hashedRow) bool { return r.hash == row.hash && r.key == row.key })
}

// digit is what of the hash leads from a trie of the depth to the next.
func digit(hash uint64, depth int) uint64 {
	return hash >> (depth * trieBits) % (1 << trieBits)
}
