package seal

import "crypto/rand"

// hidden gives the bytes of a key, which are not to be changed. It is a function
// because fmt calls no Format of an unexported field of another struct, and
// prints what arrays, slices and even pointers hold, but never what a function
// holds.
type hidden func() []byte

// hide takes over the key.
func hide(key []byte) hidden { return func() []byte { return key } }

func newKey() hidden {
	key := make([]byte, keySize)
	_, _ = rand.Read(key) // ends the process rather than fail
	return hide(key)
}
