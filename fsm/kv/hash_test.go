package kv

import (
	"math/big"
	"testing"

	"pgregory.net/rapid"
)

var hashes = rapid.Custom(func(t *rapid.T) (h Hash) {
	for i := range h {
		h[i] = rapid.OneOf(rapid.Uint64(), rapid.SampledFrom([]uint64{0, 1, 1<<64 - 1})).Draw(t, "word")
	}
	return h
})

func TestHashesAddUpAsNumbers(t *testing.T) {
	t.Parallel()
	modulus := new(big.Int).Lsh(big.NewInt(1), 256)
	number := func(h Hash) *big.Int { return new(big.Int).SetBytes(h.Bytes()) }
	rapid.Check(t, func(t *rapid.T) {
		a, b := hashes.Draw(t, "a"), hashes.Draw(t, "b")
		sum := new(big.Int).Add(number(a), number(b))
		if got := number(a.plus(b)); got.Cmp(sum.Mod(sum, modulus)) != 0 {
			t.Errorf("%s plus %s is %x, want %x", a, b, got, sum)
		}
		if got := a.plus(b).minus(b); got != a {
			t.Errorf("%s plus and minus %s is %s", a, b, got)
		}
	})
}

func TestHashFromBytes(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		h := hashes.Draw(t, "h")
		if got, ok := HashFromBytes(h.Bytes()); got != h || !ok {
			t.Errorf("HashFromBytes of %s gives %s, %v", h, got, ok)
		}
	})
	for _, b := range [][]byte{nil, make([]byte, 31), make([]byte, 33)} {
		if got, ok := HashFromBytes(b); ok {
			t.Errorf("HashFromBytes of %d bytes gives %s", len(b), got)
		}
	}
}

func TestHashKeepsKeyAndValueApart(t *testing.T) {
	t.Parallel()
	a := hashRecord(append(appendTerm(nil, "ab"), "c"...))
	b := hashRecord(append(appendTerm(nil, "a"), "bc"...))
	if a == b {
		t.Errorf("the records ab:c and a:bc have the same hash %s", a)
	}
}
