package client

import (
	"bytes"
	"testing"
)

// Other programs sign these bytes: they never change.
func TestLoginStatement(t *testing.T) {
	got := LoginStatement("c1", "/user/a", 0x0102030405, []byte{0xff, 0x00})
	want := "acquired login v1" +
		"\x00\x00\x00\x02c1" +
		"\x00\x00\x00\x07/user/a" +
		"\x00\x00\x00\x08\x00\x00\x00\x01\x02\x03\x04\x05" +
		"\x00\x00\x00\x02\xff\x00"
	if !bytes.Equal(got, []byte(want)) {
		t.Errorf("statement is %q, want %q", got, want)
	}
}

func TestLoginStatementsDiffer(t *testing.T) {
	seen := make(map[string]string)
	for name, statement := range map[string][]byte{
		"plain":                  LoginStatement("ab", "/c", 1, []byte("n")),
		"a byte goes to cluster": LoginStatement("ab/", "c", 1, []byte("n")),
		"another time":           LoginStatement("ab", "/c", 2, []byte("n")),
		"another nonce":          LoginStatement("ab", "/c", 1, []byte("m")),
		"no nonce":               LoginStatement("ab", "/c", 1, nil),
	} {
		if other, ok := seen[string(statement)]; ok {
			t.Errorf("%q and %q give the same statement", name, other)
		}
		seen[string(statement)] = name
	}
}
