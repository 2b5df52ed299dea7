package ledger_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func putDocumentKey(c *fsmtest.Client, verifier string) error {
	_, err := fsmtest.Do(c, ledger.PutDocumentKey, &statev1.PutDocumentKeyRequest{Verifier: verifier, Sealed: []byte{1, 0, 2}, RootKey: "root"})
	return err
}

func wantDocumentKeyWanted(t *testing.T, m *fsmtest.Machine, want bool) {
	t.Helper()
	m.View(func(v *command.Reading) {
		if got := ledger.DocumentKeyWanted(v); got != want {
			t.Errorf("a key is wanted: %t, want %t", got, want)
		}
	})
}

// TestWhoRotatesTheDocumentKey: who may Admin the whole cluster. It is in the audit
// log, and so is who may not.
func TestWhoRotatesTheDocumentKey(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	m.Clause("/", command.View)
	m.Clause("/account", command.Admin, "/role/treasurer")
	m.LocalClause("/", command.Admin, "/role/chief")
	treasurer, chief := m.Principal("/user/treasurer", "/role/treasurer"), m.Principal("/user/chief", "/role/chief")
	if err := putDocumentKey(m.Cluster, "first"); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		by   *fsmtest.Client
		name string
		want fault.Kind
	}{{treasurer, "/user/treasurer", fault.Denied}, {chief, "/user/chief", ""}} {
		_, err := fsmtest.Do(test.by, ledger.RotateDocumentKey, &pb.RotateDocumentKeyRequest{})
		if fault.KindOf(err) != test.want && (err != nil || test.want != "") {
			t.Errorf("%s: %v, want %q", test.name, err, test.want)
		}
		wantDocumentKeyWanted(t, m, test.want == "")
		res, err := fsmtest.Ask(m.Operator, ledger.Audit, &pb.AuditRequest{Principal: test.name})
		if err != nil || len(res.Lines) != 1 || res.Lines[0].What != "sign documents with another key" {
			t.Errorf("the audit log of %s: %v, %v", test.name, res, err)
		}
	}
	wantSound(t, m)
}

// TestDocumentKeys: the newest signs, and all are known for ever.
func TestDocumentKeys(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	m.View(func(v *command.Reading) {
		if k, ok := ledger.CurrentDocumentKey(v); ok {
			t.Errorf("without any key %v signs", k)
		}
	})
	var made []string
	for i := range ledger.MaxDocumentKeys {
		verifier := fmt.Sprint("z", ledger.MaxDocumentKeys-i)
		if i > 0 {
			wantDocumentKeyWanted(t, m, false)
			if err := putDocumentKey(m.Cluster, verifier); !errors.Is(err, fault.Conflict) {
				t.Fatalf("a key that nobody asked for: %v, want fault.Conflict", err)
			}
			for range i%2 + 1 { // asked for twice, one is made
				fsmtest.Must(m.Operator, ledger.RotateDocumentKey, &pb.RotateDocumentKeyRequest{})
			}
		}
		wantDocumentKeyWanted(t, m, true)
		m.View(func(v *command.Reading) {
			if k, _ := ledger.CurrentDocumentKey(v); i > 0 && k.Verifier != made[i-1] {
				t.Errorf("until another is made %s signs, want %s", k.Verifier, made[i-1])
			}
		})
		if err := putDocumentKey(m.Cluster, verifier); err != nil {
			t.Fatal(err)
		}
		made = append(made, verifier)
		m.View(func(v *command.Reading) {
			k, ok := ledger.CurrentDocumentKey(v)
			if !ok || k.Verifier != verifier || string(k.Sealed) != "\x01\x00\x02" || k.RootKey != "root" || k.Created != v.Time {
				t.Errorf("after %s was made %+v signs", verifier, k)
			}
		})
	}
	if err := putDocumentKey(m.Cluster, "one more"); !errors.Is(err, fault.Exhausted) {
		t.Errorf("a key above the limit: %v, want fault.Exhausted", err)
	}
	if _, err := fsmtest.Do(m.Operator, ledger.RotateDocumentKey, &pb.RotateDocumentKeyRequest{}); !errors.Is(err, fault.Exhausted) {
		t.Errorf("asking for a key above the limit: %v, want fault.Exhausted", err)
	}
	wantDocumentKeyWanted(t, m, false)
	if err := putDocumentKey(m.Cluster, made[0]); !errors.Is(err, fault.Exists) {
		t.Errorf("a key that there is: %v, want fault.Exists", err)
	}
	if err := putDocumentKey(m.Operator, "mine"); !errors.Is(err, fault.Denied) {
		t.Errorf("a key of an operator's: %v, want fault.Denied", err)
	}

	res, err := fsmtest.Ask(m.Principal("/user/anybody"), ledger.DocumentKeys, &pb.DocumentKeysRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var listed []string
	for i, k := range res.Keys {
		listed = append(listed, k.Verifier)
		until := int64(0)
		if i < len(made)-1 {
			until = res.Keys[i+1].CreatedUnixNanos
		}
		if current := i == len(made)-1; k.Current != current || k.CreatedUnixNanos == 0 || k.UntilUnixNanos != until {
			t.Errorf("key %d of %d is %v", i, len(made), k)
		}
	}
	m.View(func(v *command.Reading) {
		if all := ledger.Verifiers(v); !slices.Equal(listed, made) || !slices.Equal(all, made) {
			t.Errorf("listed are %q and %q, made were %q", listed, all, made)
		}
	})
}
