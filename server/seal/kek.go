package seal

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const (
	kekIDLabel = "acquired kek id v1"
	kekIDSize  = 16 // hex digits
)

var errKEKForm = errors.New("key-encryption key is not 64 hex digits and a newline")

// KEK is a key-encryption key: it wraps root keys. Make one with NewKEK or
// ParseKEK; the zero value is no key, and all but printing it panics. Copies
// share the key. However it is printed, the key is not shown.
type KEK struct {
	key hidden
}

// NewKEK makes a random KEK.
func NewKEK() KEK { return KEK{key: newKey()} }

// ParseKEK reads what Encode wrote; the newline may be missing. Its error never
// repeats the text.
func ParseKEK(text []byte) (KEK, error) {
	digits := bytes.TrimSuffix(text, []byte("\n"))
	if len(digits) != hex.EncodedLen(keySize) {
		return KEK{}, errKEKForm
	}
	key := make([]byte, keySize)
	if _, err := hex.Decode(key, digits); err != nil {
		return KEK{}, errKEKForm // hex names the wrong digit in its own error
	}
	return KEK{key: hide(key)}, nil
}

// Encode gives the form of the KEK in a file: 64 hex digits and a newline. It is
// the key itself: the file has mode 0600.
func (k KEK) Encode() []byte {
	return append(hex.AppendEncode(nil, k.key()), '\n')
}

// ID names the KEK with 16 hex digits that say nothing of the key.
func (k KEK) ID() string {
	digest := sha256.Sum256(append([]byte(kekIDLabel), k.key()...))
	return hex.EncodeToString(digest[:])[:kekIDSize]
}

// String names the KEK by its id.
func (k KEK) String() string {
	if k.key == nil {
		return "seal.KEK(none)"
	}
	return "seal.KEK(" + k.ID() + ")"
}

// Format gives String for every verb.
func (k KEK) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.String()) }

// LogValue gives String.
func (k KEK) LogValue() slog.Value { return slog.StringValue(k.String()) }

// IsZero says whether the KEK is no key.
func (k KEK) IsZero() bool { return k.key == nil }
