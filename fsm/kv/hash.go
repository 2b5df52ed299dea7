package kv

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"math/bits"
)

// Hash is a hash of a whole state: the sum, modulo 2^256, of the SHA-256 of
// every record. Equal states have equal hashes whatever way led to them, a
// change costs the records it touches, and a state can be summed again to
// prove that it is what its hash says. It finds faults of machines; it is no
// commitment against somebody who can choose records.
//
// The zero value is the hash of the empty state.
type Hash [4]uint64

// String gives 64 hexadecimal digits.
func (h Hash) String() string { return hex.EncodeToString(h.Bytes()) }

// Bytes gives 32 bytes.
func (h Hash) Bytes() []byte {
	b := make([]byte, 0, 32)
	for _, word := range h {
		b = binary.BigEndian.AppendUint64(b, word)
	}
	return b
}

// HashFromBytes is the inverse of Bytes. ok is false when b is not 32 bytes.
func HashFromBytes(b []byte) (h Hash, ok bool) {
	if len(b) != 32 {
		return h, false
	}
	for i := range h {
		h[i] = binary.BigEndian.Uint64(b[8*i:])
	}
	return h, true
}

func (h Hash) plus(g Hash) Hash {
	var carry uint64
	for i := 3; i >= 0; i-- {
		h[i], carry = bits.Add64(h[i], g[i], carry)
	}
	return h
}

func (h Hash) minus(g Hash) Hash {
	var borrow uint64
	for i := 3; i >= 0; i-- {
		h[i], borrow = bits.Sub64(h[i], g[i], borrow)
	}
	return h
}

// appendTerm appends what is hashed of a record before its value: the key, and
// its length, which keeps it apart from the value.
func appendTerm[K ~string | ~[]byte](b []byte, key K) []byte {
	return append(binary.BigEndian.AppendUint32(b, uint32(len(key))), key...)
}

// hashRecord is the hash of one record, of which term is all that is hashed.
func hashRecord(term []byte) Hash {
	sum := sha256.Sum256(term)
	h, _ := HashFromBytes(sum[:])
	return h
}
