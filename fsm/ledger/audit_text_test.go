package ledger

import (
	"maps"
	"slices"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"
)

// TestEveryTextOfAStepIsAnAccountOrNot: a field that is added to a step is put among
// those that name accounts, or among the others here.
func TestEveryTextOfAStepIsAnAccountOrNot(t *testing.T) {
	t.Parallel()
	others := map[protoreflect.Name]bool{
		"id": true, "amount": true, "asset": true, "description": true, "hold": true, "of": true, "cheque": true, "invoice": true, "hash": true,
		"delegate": true, "recipient": true, "resource": true, "ceiling": true,
	}
	left := maps.Clone(accountFields)
	// looked says whether the accounts of what is inside are found.
	var walk func(m protoreflect.MessageDescriptor, looked bool)
	walk = func(m protoreflect.MessageDescriptor, looked bool) {
		for i := range m.Fields().Len() {
			f := m.Fields().Get(i)
			named := accountFields[f.Name()]
			delete(left, f.Name())
			switch {
			case f.Message() != nil:
				walk(f.Message(), looked && named)
			case f.Kind() != protoreflect.StringKind:
			case named == others[f.Name()]:
				t.Errorf("%s is among the fields that name accounts: %t, and among the others: %t", f.FullName(), named, named)
			case named && !looked:
				t.Errorf("%s names accounts, and is in a field that is not looked into", f.FullName())
			}
		}
	}
	for i := range stepOneof.Fields().Len() {
		if f := stepOneof.Fields().Get(i); f.Name() != "guard" {
			walk(f.Message(), true)
		}
	}
	if len(left) > 0 {
		t.Errorf("no step has the fields %v", slices.Collect(maps.Keys(left)))
	}
}
