package kv_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"acquired/fsm/kv"
)

// verifyIndexes gives what is found of the state that the engine holds.
func verifyIndexes(t *testing.T, engine kv.Engine) (found []string) {
	t.Helper()
	view := open(engine).View()
	defer view.Close()
	err := schema.VerifyIndexes(view, func() error { return nil }, func(problem string) { found = append(found, problem) })
	if err != nil {
		t.Errorf("VerifyIndexes: %v", err)
	}
	return found
}

func TestVerifyIndexesFindsWhatIsWrong(t *testing.T) {
	t.Parallel()
	key := func(s string, n number, rest ...byte) []byte { return append(n.AppendKey([]byte(s)), rest...) }
	byTag := func(table string, tag byte, n number) []byte {
		return n.AppendKey(append([]byte(table+"_by_tag\x00"), 0xf8|tag))
	}
	for name, test := range map[string]struct {
		write kv.Write
		want  []string
	}{
		"nothing": {kv.Write{Key: []byte("c/stored_by_name\x00eight\x00"), Value: number(8).AppendKey(nil)}, nil},
		"an entry that is missing": {
			kv.Write{Key: byTag("a/stored", 2, 8), Delete: true},
			[]string{`index a/stored_by_tag has no entry "\xfa\x00\x00\x00\b" of record "a/stored\x00\x00\x00\x00\b"`},
		},
		"an entry that is missing of a unique index": {
			kv.Write{Key: []byte("c/stored_by_name\x00eight\x00"), Delete: true},
			[]string{`index c/stored_by_name has no entry "eight\x00" of record`},
		},
		"an entry of no record": {
			kv.Write{Key: byTag("a/stored", 2, 9)},
			[]string{`index a/stored_by_tag: entry "\xfa\x00\x00\x00\t" is of no record`},
		},
		"an entry of a record without the term": {
			kv.Write{Key: byTag("a/stored", 3, 8)},
			[]string{`index a/stored_by_tag: entry "\xfb\x00\x00\x00\b" is of no record`},
		},
		"an entry of a unique index of no record": {
			kv.Write{Key: []byte("a/stored_by_name\x00nine\x00"), Value: number(9).AppendKey(nil)},
			[]string{`index a/stored_by_name: entry "nine\x00" is of no record`},
		},
		"an entry that leads to another record": {
			kv.Write{Key: []byte("a/stored_by_name\x00eight\x00"), Value: number(7).AppendKey(nil)},
			[]string{
				`index a/stored_by_name: entry "eight\x00" of record "a/stored\x00\x00\x00\x00\b" leads to "\x00\x00\x00\a"`,
				`index a/stored_by_name: entry "eight\x00" is of no record`,
			},
		},
		"a record that changed beside its index": {
			kv.Write{Key: key("a/stored\x00", 8), Value: appendRecord(nil, record{id: 8, name: "acht", tags: 1 << 2})},
			[]string{
				`index a/stored_by_name has no entry "acht\x00" of record`,
				`index a/stored_by_name: entry "eight\x00" is of no record`,
			},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			engine := kv.NewMemory()
			write(open(engine), func(tx *kv.Tx) {
				for _, s := range shelves {
					s.records.Insert(tx, record{id: 7, name: "seven", tags: 0xff})
					s.records.Insert(tx, record{id: 8, name: "eight", tags: 1 << 2})
				}
			})
			engine.Commit([]kv.Write{test.write})
			found := verifyIndexes(t, engine)
			if !slices.EqualFunc(found, test.want, strings.HasPrefix) {
				t.Errorf("found are %q, want %q", found, test.want)
			}
		})
	}
}

func TestVerifyIndexesEndsWhenItIsTold(t *testing.T) {
	t.Parallel()
	engine := kv.NewMemory()
	write(open(engine), func(tx *kv.Tx) {
		for n := range number(100) {
			stored.records.Insert(tx, record{id: n, name: string(rune('a' + n)), tags: 1})
		}
	})
	engine.Commit([]kv.Write{{Key: append([]byte("a/stored_by_tag\x00\xf8"), 0, 0, 0, 7), Delete: true}})
	view := open(engine).View()
	defer view.Close()
	enough := errors.New("enough")
	// 100 records and 199 entries are read to see that there is damage, and again to
	// find it.
	for most := range 600 {
		read := 0
		err := schema.VerifyIndexes(view, func() error {
			if read++; read > most {
				return enough
			}
			return nil
		}, func(string) {})
		if read > most+1 {
			t.Fatalf("told to end after %d, it read %d", most, read)
		}
		if ended := errors.Is(err, enough); ended != (read > most) {
			t.Fatalf("told to end after %d, it read %d and says %v", most, read, err)
		}
	}
}
