package identity

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"

	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
)

// TestRecordsComeBack: with all their fields. A field that is new is added to
// the records here.
func TestRecordsComeBack(t *testing.T) {
	t.Parallel()
	header := tree.Header{Unique: 1, Version: 2, Start: 3, End: 4}
	comesBack(t, applied{"/user/x", []AppliedRole{{Header: header, Role: "/role/a"}, {Header: header, Role: "/role/b"}}}, appendApplied, decodeApplied)
	comesBack(t, Issuer{
		Name: "https://ci", Audience: "acquired", Algorithm: "HS256", Subject: "/user/{sub}", Keys: []byte{0, 1}, RootKey: "root", Index: 7,
		Scopes: []Scope{{Name: "deploy", Roles: []path.Path{"/role/a", "/role/b"}}, {Name: "none"}},
	}, appendIssuer, decodeIssuer)
}

// TestRecordsComeBackFromTheEngine: those whose codec is in their table.
func TestRecordsComeBackFromTheEngine(t *testing.T) {
	t.Parallel()
	engine := kv.NewMemory()
	root := RootKey{ID: "root", KeyEncryptionKey: "kek", Wrapped: []byte{1, 0}}
	signing := SigningKey{
		ID: "key", Public: []byte{1}, Sealed: []byte{2}, RootKey: "root", Created: 3, Active: 4, Expires: 5, Revoked: true,
	}
	record := principal{path: "/user/x", epoch: 6, revokedAt: 7}
	ended := session{sessionKey{"/user/x", "0a"}, 8}
	for _, r := range []any{root, signing, record, ended} {
		wantFilled(t, reflect.ValueOf(r))
	}
	tx := kv.Open(engine, &Schema).Begin()
	rootKeys.Put(tx, root)
	signingKeys.Put(tx, signing)
	principals.Put(tx, record)
	sessions.Put(tx, ended)
	demonstrations.Put(tx, demonstration{true})
	tx.Commit()

	view := kv.Open(engine, &Schema).View()
	defer view.Close()
	gotRoot, _ := rootKeys.Get(view, "root")
	gotSigning, _ := signingKeys.Get(view, "key")
	gotSession, _ := sessions.Get(view, ended.sessionKey)
	gotDemo, _ := demonstrations.Get(view, theDemonstration)
	unexported := cmp.AllowUnexported(principal{}, session{}, sessionKey{}, demonstration{})
	for _, pair := range [][2]any{
		{root, gotRoot}, {signing, gotSigning}, {record, recordOf(view, "/user/x")}, {ended, gotSession}, {demonstration{true}, gotDemo},
	} {
		if diff := cmp.Diff(pair[0], pair[1], unexported); diff != "" {
			t.Errorf("a record comes back changed (-want +got):\n%s", diff)
		}
	}
}

func comesBack[V any](t *testing.T, record V, appendTo func([]byte, V) []byte, decode func([]byte) (V, error)) {
	t.Helper()
	wantFilled(t, reflect.ValueOf(record))
	for _, want := range []V{record, *new(V)} {
		got, err := decode(appendTo(nil, want))
		if diff := cmp.Diff(want, got, cmp.AllowUnexported(applied{})); diff != "" || err != nil {
			t.Errorf("%T comes back changed, %v (-want +got):\n%s", want, err, diff)
		}
	}
}

// wantFilled wants all fields of a record to be set, so that none is forgotten.
func wantFilled(t *testing.T, v reflect.Value) {
	t.Helper()
	for i := range v.NumField() {
		field := v.Field(i)
		if field.IsZero() {
			t.Errorf("field %s of %s is not set", v.Type().Field(i).Name, v.Type())
		}
		switch {
		case field.Kind() == reflect.Struct:
			wantFilled(t, field)
		case field.Kind() == reflect.Slice && field.Type().Elem().Kind() == reflect.Struct:
			wantFilled(t, field.Index(0))
		}
	}
}
