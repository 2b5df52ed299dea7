// Package seal keeps secrets that the replicated log and the state carry: they
// are sealed by the node that receives them, before they are proposed, and are
// never in the log in clear.
//
// There are three levels of keys. A KEK, the key-encryption key, is in a file of
// each node and never in the log. It wraps a Root, the root key of the cluster,
// whose wrapped form is in the log and whose clear form is in memory only. From
// the root key comes one key for each purpose, and that one seals.
//
// What is sealed is bound to its cluster, root key, purpose and owner: moved
// anywhere else it does not open. It is not bound to a time: who replaces a
// secret by an older one that was sealed for the same place is not noticed.
package seal

import (
	"crypto/aes"
	"crypto/cipher"
	"encoding/binary"
	"errors"
)

const (
	keySize = 32
	// version begins all that this package seals. Another layout, algorithm or
	// derivation takes another one.
	version = 1
	// overhead is what sealing adds: the version, a nonce and a tag.
	overhead = 1 + 12 + 16
)

// ErrOpen is the answer to everything that was not sealed by the key at hand for
// the place at hand, or was changed since. It says no more, so that nothing can
// be learned by trying.
var ErrOpen = errors.New("sealed secret does not open: it was sealed by another key or for another place, or was changed")

// sealBytes seals with AES-256-GCM under a random 96-bit nonce, which is safe
// for up to 2^32 messages of one key.
func sealBytes(key, plaintext []byte, boundTo ...string) []byte {
	sealed := make([]byte, 1, overhead+len(plaintext))
	sealed[0] = version
	return aead(key).Seal(sealed, nil, plaintext, associatedData(boundTo))
}

func openBytes(key, sealed []byte, boundTo ...string) ([]byte, error) {
	if len(sealed) < overhead || sealed[0] != version {
		return nil, ErrOpen
	}
	plaintext, err := aead(key).Open(nil, nil, sealed[1:], associatedData(boundTo))
	if err != nil {
		return nil, ErrOpen
	}
	return plaintext, nil
}

func aead(key []byte) cipher.AEAD {
	block, err := aes.NewCipher(key)
	if err != nil {
		panic(err) // the size of the key is wrong: a bug here
	}
	gcm, err := cipher.NewGCMWithRandomNonce(block)
	if err != nil {
		panic(err) // the block of AES is of the right size
	}
	return gcm
}

// associatedData writes the version and then each field behind its length, so
// that no two lists of fields are written alike.
func associatedData(fields []string) []byte {
	data := []byte{version}
	for _, field := range fields {
		data = binary.BigEndian.AppendUint64(data, uint64(len(field)))
		data = append(data, field...)
	}
	return data
}
