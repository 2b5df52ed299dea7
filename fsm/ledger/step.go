package ledger

import (
	"slices"

	"google.golang.org/protobuf/reflect/protoreflect"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/proto/fault"
)

// step is a step that was made, kept for ever under the id that its caller chose:
// made again with the same body it answers what it answered then.
type step struct {
	name string
	// kind is the name of the step in the API.
	kind string
	// first is the first of the entries that it made, which follow each other; when
	// there are none, it is an id of its own.
	first   command.ID
	entries uint32
	// body is what the step says, without its id. It is empty for a plain transfer,
	// whose entry says it all.
	body string
	// amount and hash are those of the result. A plain transfer leaves both out.
	amount, hash string
}

var steps = kv.NewTable(&Schema, "ledger/step", kv.Codec[step]{Append: appendStep, Decode: decodeStep},
	func(s step) kv.StringKey { return kv.StringKey(s.name) }, 0)

func appendStep(b []byte, s step) []byte {
	b = kv.AppendString(kv.AppendString(b, s.name), s.kind)
	b = kv.AppendUint(command.AppendID(b, s.first), uint64(s.entries))
	return kv.AppendString(kv.AppendString(kv.AppendString(b, s.body), s.amount), s.hash)
}

func decodeStep(b []byte) (step, error) {
	d := kv.NewDecoder(b)
	s := step{
		name: d.String(), kind: d.String(), first: command.DecodeID(&d), entries: uint32(d.Uint()),
		body: d.String(), amount: d.String(), hash: d.String(),
	}
	return s, d.Err()
}

// failure is a refusal that depended on the state, kept for ever under the id of
// the step: made again it is refused again, whatever has become possible since. It
// is no part of what users keep here, so that a refused command leaves the state
// hash as it was.
type failure struct {
	name, kind, body string
	id               command.ID
	refusal          *fault.Fault
	// by is who was refused: the words are for it alone, as others may not know all
	// that they say.
	by party
}

var failures = kv.NewTable(&Schema, "ledger/failure", kv.Codec[failure]{
	Append: func(b []byte, f failure) []byte {
		b = kv.AppendString(kv.AppendString(kv.AppendString(b, f.name), f.kind), f.body)
		return appendParty(command.AppendFault(command.AppendID(b, f.id), f.refusal), f.by)
	},
	Decode: func(b []byte) (failure, error) {
		d := kv.NewDecoder(b)
		f := failure{name: d.String(), kind: d.String(), body: d.String(), id: command.DecodeID(&d), refusal: command.DecodeFault(&d), by: decodeParty(&d)}
		return f, d.Err()
	},
}, func(f failure) kv.StringKey { return kv.StringKey(f.name) }, kv.Bookkeeping)

// isKept says whether a refusal is kept under the id of the step that was refused: one
// that depended on the state. What is malformed is sent again when it was put right.
// What is not there or not allowed must say nothing of the state to who may not know it.
func isKept(f *fault.Fault) bool {
	if _, used := f.Details["field"]; used {
		return false // the id is another step's
	}
	return f.Kind == fault.Insufficient || f.Kind == fault.Conflict || f.Kind == fault.Exhausted
}

// canonical gives what a message says in bytes that are the same for equal
// messages for ever: the fields that are set, but for the id and those named, in the
// order of their numbers.
func canonical(m protoreflect.Message, but ...protoreflect.Name) string {
	return string(appendMessage(nil, m, append(but, "id")))
}

func appendMessage(b []byte, m protoreflect.Message, but []protoreflect.Name) []byte {
	for _, f := range ordered[m.Descriptor()] {
		if !m.Has(f) || slices.Contains(but, f.Name()) {
			continue
		}
		b = kv.AppendUint(b, uint64(f.Number()))
		b = kv.AppendString(b, appendField(nil, f, m.Get(f)))
	}
	return b
}

// ordered are the fields of the messages that steps are made of, and of the requests
// that the audit log tells of, in the order of their numbers.
var ordered = make(map[protoreflect.MessageDescriptor][]protoreflect.FieldDescriptor)

// orderFields fills ordered for a message and those inside.
func orderFields(d protoreflect.MessageDescriptor) {
	all := make([]protoreflect.FieldDescriptor, d.Fields().Len())
	for i := range all {
		all[i] = d.Fields().Get(i)
		if inside := all[i].Message(); inside != nil {
			orderFields(inside)
		}
	}
	slices.SortFunc(all, func(a, b protoreflect.FieldDescriptor) int { return int(a.Number()) - int(b.Number()) })
	ordered[d] = all
}

func appendField(b []byte, f protoreflect.FieldDescriptor, v protoreflect.Value) []byte {
	if !f.IsList() {
		return appendValue(b, f, v)
	}
	for i := range v.List().Len() {
		b = kv.AppendString(b, appendValue(nil, f, v.List().Get(i)))
	}
	return b
}

func appendValue(b []byte, f protoreflect.FieldDescriptor, v protoreflect.Value) []byte {
	switch f.Kind() {
	case protoreflect.StringKind:
		return append(b, v.String()...)
	case protoreflect.BoolKind:
		return kv.AppendBool(b, v.Bool())
	case protoreflect.Int64Kind:
		return kv.AppendInt(b, v.Int())
	case protoreflect.Uint32Kind, protoreflect.Uint64Kind:
		return kv.AppendUint(b, v.Uint())
	case protoreflect.MessageKind:
		return appendMessage(b, v.Message(), nil)
	}
	panic("ledger: a step has a field of the kind " + f.Kind().String())
}

// differing names the first field in which two bodies of steps of a kind differ;
// it is empty when they do not.
func differing(d protoreflect.MessageDescriptor, was, is string) string {
	if was == is {
		return ""
	}
	before, after := fieldValues(was), fieldValues(is)
	for _, f := range ordered[d] {
		n := uint64(f.Number())
		x, inBefore := before[n]
		y, inAfter := after[n]
		if inBefore != inAfter || x != y {
			return string(f.Name())
		}
	}
	return "id"
}

func fieldValues(body string) map[uint64]string {
	all := make(map[uint64]string)
	d := kv.NewDecoder([]byte(body))
	for {
		n := d.Uint()
		if n == 0 {
			return all
		}
		all[n] = d.String()
	}
}

// used refuses an id that was used for something else. It says which field
// differs and not how: the other step may be none of the caller's business.
func used(field string) error {
	return fault.Conflict.New("the id was used before, with another %s", field).With("field", field)
}

func checkID(id string) error {
	ok := len(id) >= 1 && len(id) <= MaxTransferID
	for i := range len(id) {
		ok = ok && inID(id[i])
	}
	if !ok {
		return fault.Invalid.New("id %s: an id is 1 to %d bytes of A-Z, a-z, 0-9 and ._~:/@+-", quote(id), MaxTransferID)
	}
	return nil
}

func inID(c byte) bool {
	switch {
	case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9':
		return true
	}
	switch c {
	case '.', '_', '~', ':', '/', '@', '+', '-':
		return true
	}
	return false
}
