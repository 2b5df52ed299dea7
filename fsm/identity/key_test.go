package identity_test

import (
	"fmt"
	"strings"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/identity"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func TestTheRootKeyIsPutOnce(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	m.View(func(v *command.Reading) {
		if k, ok := identity.CurrentRootKey(v); ok {
			t.Errorf("a new cluster has root key %+v", k)
		}
	})
	fsmtest.Must(m.Cluster, identity.PutRootKey, &statev1.PutRootKeyRequest{Id: "b", KeyEncryptionKey: "kek", Wrapped: []byte{1, 0}})
	for _, id := range []string{"a", "b", "c"} {
		wantRefused(t, m, "a second root key", fault.Exists, "the cluster has root key b", func() error {
			_, err := fsmtest.Do(m.Cluster, identity.PutRootKey, &statev1.PutRootKeyRequest{Id: id})
			return err
		})
	}
	m.View(func(v *command.Reading) {
		k, ok := identity.CurrentRootKey(v)
		if got := fmt.Sprint(k, ok); got != "{b kek [1 0]} true" {
			t.Errorf("the root key is %s", got)
		}
	})
}

// TestKeysArePutByTheClusterItself: and by nobody else, an operator included.
func TestKeysArePutByTheClusterItself(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	for _, o := range command.Operations() {
		m.Clause("/", o)
	}
	for name, by := range map[string]*fsmtest.Client{"an operator": m.Operator, "alice": m.As(certificate(m, "/user/team/alice"))} {
		wantRefused(t, m, "a root key by "+name, fault.Denied, "only the cluster itself", func() error {
			_, err := fsmtest.Do(by, identity.PutRootKey, &statev1.PutRootKeyRequest{Id: "x"})
			return err
		})
		wantRefused(t, m, "a signing key by "+name, fault.Denied, "only the cluster itself", func() error {
			_, err := fsmtest.Do(by, identity.PutSigningKey, &statev1.PutSigningKeyRequest{Id: "x"})
			return err
		})
	}
}

// keyTimes adds a signing key with times from now on.
func keyTimes(m *fsmtest.Machine, id string, active, expires int64) error {
	now := m.Position().Time
	_, err := fsmtest.Do(m.Cluster, identity.PutSigningKey, &statev1.PutSigningKeyRequest{
		Id: id, Public: []byte(id), ActiveUnixNanos: now + active, ExpiresUnixNanos: now + expires,
	})
	return err
}

// wantSigner wants the key to sign that is named; "" is none.
func wantSigner(t *testing.T, m *fsmtest.Machine, what string, now int64, want string) {
	t.Helper()
	m.View(func(v *command.Reading) {
		if k, ok := identity.Signer(v, now); k.ID != want || ok != (want != "") {
			t.Errorf("%s the signer is %q, %v; want %q", what, k.ID, ok, want)
		}
	})
}

func TestTheNewestActiveKeySigns(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	m.EntryNanos = 0
	m.Apply()
	now := m.Position().Time
	wantSigner(t, m, "without keys", now, "")
	for id, times := range map[string][2]int64{"b-first": {0, 100}, "a-then": {10, 50}, "c-last": {20, 30}} {
		wantKind(t, id, keyTimes(m, id, times[0], times[1]), "")
	}
	for at, want := range map[int64]string{
		-1: "", 0: "b-first", 9: "b-first", 10: "a-then", 19: "a-then", 20: "c-last", 29: "c-last", 30: "a-then", 49: "a-then", 50: "b-first", 99: "b-first", 100: "",
	} {
		wantSigner(t, m, fmt.Sprintf("%d ns on", at), now+at, want)
	}
	fsmtest.Must(m.Operator, identity.RevokeSigningKey, &pb.RevokeSigningKeyRequest{Id: "c-last"})
	wantSigner(t, m, "with the newest revoked,", now+20, "a-then")
	m.View(func(v *command.Reading) {
		for id, want := range map[string]bool{"a-then": true, "b-first": true, "c-last": false, "other": false, "": false} {
			if k, ok := identity.Key(v, id); ok != want || ok && string(k.Public) != id {
				t.Errorf("Key(%q) gives %+v, %v; want %v", id, k, ok, want)
			}
		}
	})
}

// listed gives the keys as they are shown.
func listed(t *testing.T, by *fsmtest.Client) string {
	t.Helper()
	res, err := fsmtest.Ask(by, identity.SigningKeys, &pb.SigningKeysRequest{})
	if err != nil {
		t.Fatal(err)
	}
	var all []string
	for _, k := range res.Keys {
		all = append(all, fmt.Sprintf("%s %s %d", k.Id, k.State, k.ExpiresUnix-k.ActiveUnix))
	}
	return strings.Join(all, ", ")
}

func TestKeysAreListedWithTheirStates(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	m.EntryNanos = 0
	m.Apply()
	const second = 1_000_000_000
	for id, times := range map[string][2]int64{
		"1-retiring": {-20 * second, 10 * second}, "2-active": {0, 20 * second}, "3-published": {5 * second, 30 * second},
		"4-revoked": {0, 25 * second}, "5-over": {-20 * second, 1},
	} {
		wantKind(t, id, keyTimes(m, id, times[0], times[1]), "")
	}
	fsmtest.Must(m.Operator, identity.RevokeSigningKey, &pb.RevokeSigningKeyRequest{Id: "4-revoked"})
	m.Wait(1)
	m.Apply()
	if got, want := listed(t, m.Operator), "1-retiring retiring 30, 2-active active 20, 3-published published 25, 4-revoked revoked 25"; got != want {
		t.Errorf("the keys are %s, want %s", got, want)
	}
	m.Wait(10 * second)
	m.Apply()
	if got, want := listed(t, m.Operator), "2-active retiring 20, 3-published active 25, 4-revoked revoked 25"; got != want {
		t.Errorf("later the keys are %s, want %s", got, want)
	}
}

func TestSigningKeysAreBounded(t *testing.T) {
	t.Parallel()
	m := fsmtest.New(t)
	m.EntryNanos = 0
	m.Apply()
	wantKind(t, "a key that is over", keyTimes(m, "over", -2, 0), "")
	for i := range identity.MaxSigningKeys {
		wantKind(t, fmt.Sprint("key ", i), keyTimes(m, fmt.Sprint("key-", i), 0, 100+int64(i%2)), "")
	}
	wantRefused(t, m, "a key that is there", fault.Exists, "signing key key-7 exists", func() error { return keyTimes(m, "key-7", 0, 1000) })
	fsmtest.Must(m.Operator, identity.RevokeSigningKey, &pb.RevokeSigningKeyRequest{Id: "key-1"})
	wantRefused(t, m, "one too many, one of them revoked", fault.Exhausted, "64 signing keys", func() error { return keyTimes(m, "new", 0, 1000) })
	m.Wait(99)
	wantRefused(t, m, "one too many just before half of them are over", fault.Exhausted, "64", func() error { return keyTimes(m, "new", 0, 1000) })
	m.Wait(1)
	wantKind(t, "a key in the place of those that are over", keyTimes(m, "new", 0, 1000), "")
	m.View(func(v *command.Reading) {
		if _, ok := identity.Key(v, "key-0"); ok {
			t.Error("a key that is over is kept although one was added")
		}
		if got, want := len(identity.Keys(v)), identity.MaxSigningKeys/2+1; got != want {
			t.Errorf("there are %d keys, want %d", got, want)
		}
	})
}

func TestRevokeSigningKeyRefuses(t *testing.T) {
	t.Parallel()
	m := newPrincipals(t)
	putKey(m, "key")
	m.Clause("/", command.View, "/role/viewer")
	m.Clause("/", command.Admin, "/role/chief")
	m.Clause("/", command.Read, "/role/reader")
	viewer := m.Principal("/workload/viewer", "/role/viewer")
	chief := m.Principal("/workload/chief", "/role/viewer", "/role/chief")
	reader := m.Principal("/workload/reader", "/role/viewer", "/role/reader")
	for _, test := range []struct {
		name, id, words string
		by              *fsmtest.Client
		kind            fault.Kind
	}{
		{"no id", "", "the id of a signing key is 1 to 64 bytes, not 0", m.Operator, fault.Invalid},
		{"a long id", strings.Repeat("x", 65), "not 65", m.Operator, fault.Invalid},
		{"an unknown id", "other", `no signing key "other"`, m.Operator, fault.NotFound},
		{"an id with a zero byte", "key\x00", "no signing key", m.Operator, fault.NotFound},
		{"who sees the root", "key", "may not Admin /", viewer, fault.Denied},
		{"who reads the root", "key", "may not Admin /", reader, fault.Denied},
		{"who sees nothing", "key", "nothing at /", m.As(certificate(m, "/workload/x")), fault.NotFound},
	} {
		wantRefused(t, m, test.name, test.kind, test.words, func() error {
			_, err := fsmtest.Do(test.by, identity.RevokeSigningKey, &pb.RevokeSigningKeyRequest{Id: test.id})
			return err
		})
	}
	for by, want := range map[*fsmtest.Client]fault.Kind{viewer: fault.Denied, chief: fault.Denied, reader: "", m.Operator: ""} {
		_, err := fsmtest.Ask(by, identity.SigningKeys, &pb.SigningKeysRequest{})
		wantKind(t, "listing the keys", err, want)
	}
	for range 2 { // again is no mistake
		res := fsmtest.Must(chief, identity.RevokeSigningKey, &pb.RevokeSigningKeyRequest{Id: "key"})
		if res.Index != m.Position().Index {
			t.Errorf("the key is revoked at %d, want %d", res.Index, m.Position().Index)
		}
	}
	wantSigner(t, m, "with the only key revoked", m.Position().Time, "")
}
