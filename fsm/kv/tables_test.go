package kv_test

import (
	"strings"
	"testing"

	"acquired/fsm/kv"
)

// The tables of the tests: each kind, with a unique index and with one in which
// a record has any number of terms.
var (
	schema kv.Schema

	shelves = [...]*shelf{
		newShelf("a/stored", 0),
		newShelf("b/resident", kv.Resident),
		newShelf("c/stored", kv.Bookkeeping),
		newShelf("d/resident", kv.Resident|kv.Bookkeeping),
	}
	stored, resident           = shelves[0], shelves[1]
	storedNotes, residentNotes = shelves[2], shelves[3]
)

type shelf struct {
	records *kv.Table[number, record]
	byName  *kv.Index[kv.StringKey, record]
	byTag   *kv.Index[tag, record]
	hashed  bool
}

type record struct {
	id   number
	name string
	// tags is a set: bit n is tag n.
	tags  uint8
	value int64
}

type number uint32

func (n number) AppendKey(b []byte) []byte { return kv.AppendUint32Key(b, uint32(n)) }

type tag uint8

// AppendKey makes the key of the last tag end in the last byte there is.
func (t tag) AppendKey(b []byte) []byte { return append(b, 0xf8|byte(t)) }

const tags = 8

func newShelf(name string, kind kv.Kind) *shelf {
	records := kv.NewTable(&schema, name, kv.Codec[record]{Append: appendRecord, Decode: decodeRecord},
		func(r record) number { return r.id }, kind)
	return &shelf{
		records: records,
		byName:  kv.NewUnique(&schema, records, name+"_by_name", func(r record) kv.StringKey { return kv.StringKey(r.name) }),
		byTag: kv.NewIndex(&schema, records, name+"_by_tag", func(r record, add func(tag)) {
			for t := range tag(tags) {
				if r.tags&(1<<t) != 0 {
					add(t)
				}
			}
		}),
		hashed: kind&kv.Bookkeeping == 0,
	}
}

func appendRecord(b []byte, r record) []byte {
	b = kv.AppendUint(b, uint64(r.id))
	b = kv.AppendString(b, r.name)
	b = kv.AppendUint(b, uint64(r.tags))
	return kv.AppendInt(b, r.value)
}

func decodeRecord(b []byte) (record, error) {
	d := kv.NewDecoder(b)
	r := record{id: number(d.Uint()), name: d.String(), tags: uint8(d.Uint()), value: d.Int()}
	return r, d.Err()
}

func open(engine kv.Engine) *kv.Store { return kv.Open(engine, &schema) }

// write commits what do does.
func write(store *kv.Store, do func(tx *kv.Tx)) {
	tx := store.Begin()
	do(tx)
	tx.Commit()
}

func hashOf(store *kv.Store) kv.Hash {
	view := store.View()
	defer view.Close()
	return view.Hash()
}

// mustPanic runs do, which must panic with a message that has want in it.
func mustPanic(t *testing.T, want string, do func()) {
	t.Helper()
	defer func() {
		t.Helper()
		got, _ := recover().(string)
		if got == "" || !strings.Contains(got, want) {
			t.Errorf("it panicked with %q, want a panic with %q", got, want)
		}
	}()
	do()
}
