package command

import (
	"acquired/fsm/kv"
	"acquired/proto/fault"
)

// maxDetails bounds what a damaged record can make a node do.
const maxDetails = 64

// AppendFault appends a fault as fields of a record.
func AppendFault(b []byte, f *fault.Fault) []byte {
	b = kv.AppendString(b, string(f.Kind))
	b = kv.AppendString(b, f.Message)
	b = kv.AppendUint(b, uint64(len(f.Details)))
	for _, key := range f.DetailKeys() {
		b = kv.AppendString(kv.AppendString(b, key), f.Details[key])
	}
	return b
}

// DecodeFault reads fields appended by AppendFault.
func DecodeFault(d *kv.Decoder) *fault.Fault {
	f := &fault.Fault{Kind: fault.Kind(d.String()), Message: d.String()}
	for range min(d.Uint(), maxDetails) {
		key := d.String()
		f = f.With(key, d.String())
	}
	return f
}
