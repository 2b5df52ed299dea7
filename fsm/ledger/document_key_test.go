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
		if current := i == len(made)-1; k.Current != current || k.CreatedUnixNanos == 0 {
			t.Errorf("key %d of %d is %v", i, len(made), k)
		}
	}
	m.View(func(v *command.Reading) {
		if all := ledger.Verifiers(v); !slices.Equal(listed, made) || !slices.Equal(all, made) {
			t.Errorf("listed are %q and %q, made were %q", listed, all, made)
		}
	})
}
