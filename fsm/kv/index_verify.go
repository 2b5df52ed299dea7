package kv

import (
	"bytes"
	"fmt"
)

// verifiable is an index whose entries can be told from the records.
type verifiable interface {
	// table is where its entries are, wanted what they are to be for a record.
	table() *table
	wanted(key []byte, record any) []Write
	// owners gives the keys of the records that an entry may lead to.
	owners(at, value []byte) [][]byte
}

// VerifyIndexes compares the entries of the indexes of stored tables with the
// records, which the state hash covers and the entries it does not. It reads
// everything, and calls found for each entry that is missing, wrong or of no record.
// For each record and entry it calls proceed, whose error ends it.
func (s *Schema) VerifyIndexes(v *View, proceed func() error, found func(problem string)) error {
	for _, t := range s.tables {
		if t.resident() || len(t.indexes) == 0 {
			continue
		}
		damaged, err := v.unevenIndexes(t, proceed)
		if err != nil {
			return err
		}
		for _, x := range damaged {
			if err := v.locate(t, x, proceed, found); err != nil {
				return err
			}
		}
	}
	return nil
}

// unevenIndexes gives the indexes of the table whose entries do not sum to what the
// records make them. No order and no memory is needed for that, as for the state
// hash.
func (v *View) unevenIndexes(t *table, proceed func() error) (damaged []verifiable, err error) {
	indexes := make([]verifiable, len(t.indexes))
	for i, x := range t.indexes {
		indexes[i] = x.(verifiable)
	}
	sums := make([]Hash, len(t.indexes))
	v.rows(t, t.prefix, t.end(), false)(func(key []byte, record any) bool {
		for i, x := range indexes {
			for _, w := range x.wanted(key, record) {
				sums[i] = sums[i].plus(hashEntry(w.Key, w.Value))
			}
		}
		err = proceed()
		return err == nil
	})
	for i, x := range indexes {
		if err != nil {
			return nil, err
		}
		var sum Hash
		for at, value := range v.v.snapshot.Scan(x.table().prefix, x.table().end(), false) {
			sum = sum.plus(hashEntry(at, value))
			if err = proceed(); err != nil {
				return nil, err
			}
		}
		if sum != sums[i] {
			damaged = append(damaged, x)
		}
	}
	return damaged, err
}

func hashEntry(at, value []byte) Hash {
	return hashRecord(append(appendTerm(make([]byte, 0, 2*keyRoom), at), value...))
}

// locate finds what is wrong with an index: first from the records, then from the
// entries.
func (v *View) locate(t *table, x verifiable, proceed func() error, found func(problem string)) (err error) {
	name := x.table().name
	v.rows(t, t.prefix, t.end(), false)(func(key []byte, record any) bool {
		for _, w := range x.wanted(key, record) {
			switch value, ok := v.v.snapshot.Get(w.Key); {
			case !ok:
				found(fmt.Sprintf("index %s has no entry %q of record %q", name, w.Key[len(name)+1:], key))
			case !bytes.Equal(value, w.Value):
				found(fmt.Sprintf("index %s: entry %q of record %q leads to %q", name, w.Key[len(name)+1:], key, value))
			}
		}
		err = proceed()
		return err == nil
	})
	if err != nil {
		return err
	}
	for at, value := range v.v.snapshot.Scan(x.table().prefix, x.table().end(), false) {
		if !v.hasOwner(t, x, at, value) {
			found(fmt.Sprintf("index %s: entry %q is of no record", name, at[len(name)+1:]))
		}
		if err := proceed(); err != nil {
			return err
		}
	}
	return nil
}

// hasOwner says whether there is a record that makes the entry.
func (v *View) hasOwner(t *table, x verifiable, at, value []byte) bool {
	for _, key := range x.owners(at, value) {
		record := v.value(t, key)
		if record == nil {
			continue
		}
		for _, w := range x.wanted(key, record) {
			if bytes.Equal(w.Key, at) {
				return true
			}
		}
	}
	return false
}

func (x *Index[I, V]) table() *table { return x.t }

// wanted gives each entry once.
func (x *Index[I, V]) wanted(key []byte, record any) (all []Write) {
	x.terms(*record.(*V), func(term I) {
		at := term.AppendKey(append([]byte(nil), x.t.prefix...))
		if !x.unique {
			at = append(at, key[len(x.of.prefix):]...)
		}
		for _, w := range all {
			if bytes.Equal(w.Key, at) {
				return
			}
		}
		w := Write{Key: at}
		if x.unique {
			w.Value = append(w.Value, key[len(x.of.prefix):]...)
		}
		all = append(all, w)
	})
	return all
}

// owners of an entry of a unique index is what it says; with others the key of the
// record is the end of that of the entry, and only terms know how long it is.
func (x *Index[I, V]) owners(at, value []byte) (keys [][]byte) {
	full := func(key []byte) []byte { return append(append([]byte(nil), x.of.prefix...), key...) }
	if x.unique {
		return [][]byte{full(value)}
	}
	rest := at[len(x.t.prefix):]
	for i := range rest {
		keys = append(keys, full(rest[i:]))
	}
	return keys
}
