package seal

import (
	"crypto/hkdf"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"log/slog"

	"acquired/proto/fault"
)

const (
	rootIDSize  = 16 // bytes, twice as many hex digits
	wrapLabel   = "acquired root key v1"
	secretLabel = "acquired secret v1"
	// purposeLabel and the purpose are the info of HKDF.
	purposeLabel = "acquired seal v1 "
)

// MaxPlaintext is how many bytes a secret may have.
const MaxPlaintext = 64 << 10

// Root is the root key of a cluster in clear: it seals and opens secrets. It
// lives in memory only; Wrap gives the form to keep. Make one with NewRoot or
// Unwrap. It never changes and may be used from many goroutines. However it is
// printed, the key is not shown.
type Root struct {
	cluster string
	id      string
	key     hidden
}

// Wrapped is a root key that one KEK can unwrap. It is no secret.
type Wrapped struct {
	// RootID and KEKID name the root key and the KEK.
	RootID, KEKID string
	// Bytes is the root key, sealed by the KEK.
	Bytes []byte
}

// NewRoot makes a random root key, with a random id, for the cluster.
func NewRoot(cluster string) *Root {
	id := make([]byte, rootIDSize)
	_, _ = rand.Read(id) // ends the process rather than fail
	return &Root{cluster: cluster, id: hex.EncodeToString(id), key: newKey()}
}

// ID names the root key: 32 hex digits that have nothing to do with the key.
func (r *Root) ID() string { return r.id }

// Wrap gives the root key in the form for the log.
func (k KEK) Wrap(r *Root) Wrapped {
	kekID := k.ID()
	return Wrapped{
		RootID: r.id,
		KEKID:  kekID,
		Bytes:  sealBytes(k.key(), r.key(), wrapLabel, r.cluster, r.id, kekID),
	}
}

// Unwrap gives the root key that Wrap wrapped for the cluster. The error is
// ErrOpen, unless the id in w is that of another KEK: then it names both.
func (k KEK) Unwrap(cluster string, w Wrapped) (*Root, error) {
	kekID := k.ID()
	if w.KEKID != kekID {
		return nil, fmt.Errorf("root key %.40q is wrapped by key-encryption key %.40q, and this one is %s", w.RootID, w.KEKID, kekID)
	}
	key, err := openBytes(k.key(), w.Bytes, wrapLabel, cluster, w.RootID, kekID)
	if err != nil {
		return nil, err
	}
	if len(key) != keySize {
		return nil, ErrOpen
	}
	return &Root{cluster: cluster, id: w.RootID, key: hide(key)}, nil
}

// Seal seals a secret for its purpose, such as "totp seed", and its owner, such
// as the path of a principal. What it gives may be in the log and in the state.
// A plaintext of more than MaxPlaintext bytes is fault.Invalid.
func (r *Root) Seal(purpose, owner string, plaintext []byte) ([]byte, error) {
	if len(plaintext) > MaxPlaintext {
		return nil, fault.Invalid.New("secret has %d bytes: it may have at most %d", len(plaintext), MaxPlaintext)
	}
	return sealBytes(r.purposeKey(purpose), plaintext, secretLabel, r.cluster, r.id, purpose, owner), nil
}

// Open gives the plaintext that was sealed for the purpose and the owner under
// this root key, or ErrOpen.
func (r *Root) Open(purpose, owner string, sealed []byte) ([]byte, error) {
	if len(sealed) > overhead+MaxPlaintext {
		return nil, ErrOpen
	}
	return openBytes(r.purposeKey(purpose), sealed, secretLabel, r.cluster, r.id, purpose, owner)
}

func (r *Root) purposeKey(purpose string) []byte {
	key, err := hkdf.Key(sha256.New, r.key(), nil, purposeLabel+purpose, keySize)
	if err != nil {
		panic(err) // SHA-256 can give up to 8160 bytes
	}
	return key
}

// String names the root key by its id.
func (r *Root) String() string {
	if r == nil {
		return "seal.Root(none)"
	}
	return fmt.Sprintf("seal.Root(%.40q)", r.id)
}

// Format gives String for every verb.
func (r *Root) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, r.String()) }

// LogValue gives String.
func (r *Root) LogValue() slog.Value { return slog.StringValue(r.String()) }
