package kv_test

import (
	"fmt"
	"slices"
	"testing"

	"acquired/fsm/kv"
)

// earlier declares a table as a release does whose records have one field.
func earlier(kind kv.Kind) (*kv.Schema, *kv.Table[kv.StringKey, uint64]) {
	schema := new(kv.Schema)
	return schema, kv.NewTable(schema, "grown", kv.Codec[uint64]{
		Append: kv.AppendUint,
		Decode: func(b []byte) (uint64, error) {
			d := kv.NewDecoder(b)
			id := d.Uint()
			return id, d.Err()
		},
	}, func(id uint64) kv.StringKey { return kv.StringKey(fmt.Sprint(id)) }, kind)
}

type grown struct {
	id, extra uint64
}

// later declares the same table as a release does that appended a field, which
// it does not write while it is zero.
func later(kind kv.Kind) (*kv.Schema, *kv.Table[kv.StringKey, grown]) {
	schema := new(kv.Schema)
	return schema, kv.NewTable(schema, "grown", kv.Codec[grown]{
		Append: func(b []byte, g grown) []byte {
			b = kv.AppendUint(b, g.id)
			if g.extra == 0 {
				return b
			}
			return kv.AppendUint(b, g.extra)
		},
		Decode: func(b []byte) (grown, error) {
			d := kv.NewDecoder(b)
			g := grown{id: d.Uint(), extra: d.Uint()}
			return g, d.Err()
		},
	}, func(g grown) kv.StringKey { return kv.StringKey(fmt.Sprint(g.id)) }, kind)
}

// TestRecordsGainAField: what was stored before stays as it is, hash and all.
func TestRecordsGainAField(t *testing.T) {
	t.Parallel()
	for _, kind := range []kv.Kind{0, kv.Resident} {
		engine := kv.NewMemory()
		oldSchema, oldTable := earlier(kind)
		write(kv.Open(engine, oldSchema), func(tx *kv.Tx) {
			for id := range uint64(3) {
				oldTable.Insert(tx, id)
			}
		})
		newSchema, newTable := later(kind)
		store := kv.Open(engine, newSchema)
		write(store, func(tx *kv.Tx) {
			newTable.Put(tx, grown{id: 0, extra: 7})
			newTable.Delete(tx, kv.StringKey("1"))
		})
		view := store.View()
		want := []grown{{id: 0, extra: 7}, {id: 2}}
		if got := slices.Collect(newTable.All(view)); !slices.Equal(got, want) {
			t.Errorf("the table holds %v, want %v", got, want)
		}
		if err := view.Verify(nil); err != nil {
			t.Errorf("Verify: %v", err)
		}
		view.Close()
	}
}
