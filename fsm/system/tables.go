package system

import "acquired/fsm/kv"

// Schema lists the tables of the package.
var Schema kv.Schema

type format struct {
	number uint32
}

const theFormat = kv.StringKey("format")

var formats = kv.NewTable(&Schema, "system/format", kv.Codec[format]{
	Append: func(b []byte, f format) []byte { return kv.AppendUint(b, uint64(f.number)) },
	Decode: func(b []byte) (format, error) {
		d := kv.NewDecoder(b)
		f := format{number: uint32(d.Uint())}
		return f, d.Err()
	},
}, func(format) kv.StringKey { return theFormat }, kv.Resident)

type removedNode struct {
	id string
	// index of the command that took it out.
	index uint64
}

var removed = kv.NewTable(&Schema, "system/removed", kv.Codec[removedNode]{
	Append: func(b []byte, n removedNode) []byte { return kv.AppendUint(kv.AppendString(b, n.id), n.index) },
	Decode: func(b []byte) (removedNode, error) {
		d := kv.NewDecoder(b)
		n := removedNode{id: d.String(), index: d.Uint()}
		return n, d.Err()
	},
}, func(n removedNode) kv.StringKey { return kv.StringKey(n.id) }, kv.Resident)
