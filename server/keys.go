package server

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"

	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	"acquired/proto/fault"
	"acquired/server/seal"
	"acquired/server/token"
)

// The life of a signing key: it is published, then signs for the time of one
// rotation, then only verifies until the last credential that it signed is over.
const (
	// keyPublished is how long a key is known everywhere before it signs.
	keyPublished = time.Hour
	// keySlack is what clocks of nodes may differ, and more.
	keySlack = 5 * time.Minute

	purposeSigningKey = "signing key"
	purposeIssuer     = "issuer secret"
)

// published is how long a key is published before it signs.
func published(rotation time.Duration) time.Duration { return min(keyPublished, rotation/2) }

// keyring opens what is sealed in the state. What it has opened it keeps in
// memory.
type keyring struct {
	cluster string
	kek     seal.KEK

	// making is held by who makes keys: each that is wanted is made once.
	making sync.Mutex

	mu      sync.Mutex
	root    *seal.Root
	signing map[string]token.SigningKey
	// documents signs them, with the key of that id; nil is none yet.
	documents   note.Signer
	documentKey command.ID
}

// rootKey gives the root key of the state.
func (k *keyring) rootKey(v *command.Reading) (*seal.Root, error) {
	stored, ok := identity.CurrentRootKey(v)
	if !ok {
		return nil, fault.Unserved(fault.Definite, "the cluster has no root key yet")
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.root != nil && k.root.ID() == stored.ID {
		return k.root, nil
	}
	root, err := k.kek.Unwrap(k.cluster, seal.Wrapped{RootID: stored.ID, KEKID: stored.KeyEncryptionKey, Bytes: stored.Wrapped})
	if err != nil {
		return nil, fault.Unserved(fault.Definite, "this node cannot open the secrets of the cluster: %v", err)
	}
	k.root, k.signing, k.documents = root, make(map[string]token.SigningKey), nil
	return root, nil
}

// signer gives the key that signs now.
func (k *keyring) signer(v *command.Reading, now time.Time) (token.SigningKey, identity.SigningKey, error) {
	stored, ok := identity.Signer(v, now.UnixNano())
	if !ok {
		return token.SigningKey{}, stored, fault.Unserved(fault.Definite, "the cluster has no signing key yet")
	}
	root, err := k.rootKey(v)
	if err != nil {
		return token.SigningKey{}, stored, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if key, ok := k.signing[stored.ID]; ok {
		return key, stored, nil
	}
	private, err := root.Open(purposeSigningKey, stored.ID, stored.Sealed)
	if err != nil {
		return token.SigningKey{}, stored, fmt.Errorf("open signing key %s: %w", stored.ID, err)
	}
	key := token.SigningKey{ID: stored.ID, Private: ed25519.NewKeyFromSeed(private)}
	clear(k.signing) // there is one signer at a time
	k.signing[stored.ID] = key
	return key, stored, nil
}

// keepKeys gives the cluster its root key, a next signing key in time, and a key for
// documents. Only the leader does.
func (n *Node) keepKeys(ctx context.Context) {
	if err := n.makeKeys(); err != nil && ctx.Err() == nil {
		n.log.LogAttrs(ctx, slog.LevelWarn, "keys were not made", slog.Any("error", err))
	}
}

func (n *Node) makeKeys() error {
	n.keyring.making.Lock()
	defer n.keyring.making.Unlock()
	if err := n.makeRootKey(); err != nil {
		return err
	}
	v := n.machine.View(command.Caller{})
	defer v.Close()
	active, wanted := n.nextKey(identity.Keys(v), time.Now())
	forDocuments := ledger.DocumentKeyWanted(v)
	if !wanted && !forDocuments {
		return nil
	}
	root, err := n.keyring.rootKey(v)
	if err != nil {
		return err
	}
	if wanted {
		err = n.makeSigningKey(root, active)
	}
	if forDocuments {
		err = errors.Join(err, n.makeDocumentKey(root))
	}
	return err
}

// nextKey says whether a key is to be made, and from when on it is to sign: there
// is to be one whose time it is, and shortly before that is over a next one.
func (n *Node) nextKey(keys []identity.SigningKey, now time.Time) (active time.Time, wanted bool) {
	rotation := n.config.Timing.KeyRotation
	var newest time.Time
	signs := false
	for _, k := range keys {
		if k.Revoked {
			continue
		}
		from := time.Unix(0, k.Active)
		if from.After(newest) {
			newest = from
		}
		signs = signs || !now.Before(from) && now.Before(from.Add(rotation))
	}
	if !signs {
		return now, true
	}
	next := newest.Add(rotation)
	return next, !now.Before(next.Add(-published(rotation)))
}

// makeRootKey makes the root key of a new cluster.
func (n *Node) makeRootKey() error {
	v := n.machine.View(command.Caller{})
	defer v.Close()
	if _, ok := identity.CurrentRootKey(v); ok {
		return nil
	}
	root := seal.NewRoot(n.config.Cluster)
	wrapped := n.config.KeyEncryptionKey.Wrap(root)
	return n.proposeOwn(identity.PutRootKey.Name, &statev1.PutRootKeyRequest{
		Id: wrapped.RootID, KeyEncryptionKey: wrapped.KEKID, Wrapped: wrapped.Bytes,
	})
}

func (n *Node) makeSigningKey(root *seal.Root, active time.Time) error {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return err
	}
	id := token.KeyID(public)
	sealed, err := root.Seal(purposeSigningKey, id, private.Seed())
	if err != nil {
		return err
	}
	expires := active.Add(n.config.Timing.KeyRotation + token.MaxLifetime + keySlack)
	return n.proposeOwn(identity.PutSigningKey.Name, &statev1.PutSigningKeyRequest{
		Id: id, Public: public, Sealed: sealed, RootKey: root.ID(),
		ActiveUnixNanos: active.UnixNano(), ExpiresUnixNanos: expires.UnixNano(),
	})
}

// proposeOwn makes the cluster apply a command of its own.
func (n *Node) proposeOwn(name string, req proto.Message) error {
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return err
	}
	results, err := n.apply(&statev1.Entry{
		UnixNanos: time.Now().UnixNano(),
		Commands:  []*statev1.Command{{Name: name, Caller: &statev1.Caller{Principal: string(command.System)}, Body: body}},
	})
	if err != nil {
		return err
	}
	return results[0].Err
}

// verifyingKey gives the public key of a signing key that is accepted.
func verifyingKey(v *command.Reading) func(id string) (ed25519.PublicKey, bool) {
	return func(id string) (ed25519.PublicKey, bool) {
		k, ok := identity.Key(v, id)
		return ed25519.PublicKey(k.Public), ok
	}
}
