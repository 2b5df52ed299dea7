package policy

import (
	"sync"
	"sync/atomic"
	"testing"
)

// pairsOfOnePlace finds n pairs of ids that have one place in the memo.
func pairsOfOnePlace(t *testing.T, n int) (pairs [][2]uint32) {
	t.Helper()
	var at *atomic.Uint64
	for closure := uint32(1 << 30); closure < 1<<30+1<<12; closure++ {
		for id := uint32(1 << 30); id < 1<<30+1<<12; id++ {
			switch p := place(closure, id); {
			case at == nil:
				at = p
			case p != at:
				continue
			}
			if pairs = append(pairs, [2]uint32{closure, id}); len(pairs) == n {
				return pairs
			}
		}
	}
	t.Fatalf("only %d pairs of one place are found", len(pairs))
	return nil
}

// TestPairsOfOnePlace: a pair takes the place of another and is never taken for
// it. The test is not parallel: the place is its own.
func TestPairsOfOnePlace(t *testing.T) {
	pairs := pairsOfOnePlace(t, 4)
	for i, pair := range pairs {
		for _, met := range []bool{true, false} {
			remember(pair[0], pair[1], met)
			for j, other := range pairs {
				got, known := recall(other[0], other[1])
				if known != (i == j) || known && got != met {
					t.Errorf("pair %d is remembered as %v, and of pair %d %v, %v is known", i, met, j, got, known)
				}
			}
		}
	}
}

// TestOnePlaceAtOnce: goroutines with pairs of one place, each of which has its
// own answer, never get that of another.
func TestOnePlaceAtOnce(t *testing.T) {
	t.Parallel()
	pairs := pairsOfOnePlace(t, 8)[4:] // others than those of the test before
	var working sync.WaitGroup
	for i, pair := range pairs {
		working.Go(func() {
			c := &Closure{id: pair[0], roles: []uint32{1}}
			p := newPolicy(pair[1], []roleSet{{uint32(i % 2)}})
			for range 5000 {
				if got, want := c.Meets(p), i%2 == 1; got != want {
					t.Errorf("pair %d meets: %v, want %v", i, got, want)
				}
			}
		})
	}
	working.Wait()
}

func TestWordsTellThePairsApart(t *testing.T) {
	t.Parallel()
	ids := []uint32{0, 1, 2, 1<<idBits - 2, 1<<idBits - 1}
	seen := make(map[uint64][2]uint32)
	for _, closure := range ids {
		for _, policy := range ids {
			no, yes := word(closure, policy, false), word(closure, policy, true)
			if yes != no|1 || yes == no {
				t.Errorf("the words of %d and %d are %x and %x", closure, policy, no, yes)
			}
			if other, ok := seen[no]; ok {
				t.Errorf("%d and %d have the word of %v", closure, policy, other)
			}
			seen[no] = [2]uint32{closure, policy}
		}
	}
}

// TestForgottenValuesStayRight: when there are too many, equal values may be two
// pointers, and both are right.
func TestForgottenValuesStayRight(t *testing.T) {
	p, c := And(nil, []string{"/role/forgotten"}), NewClosure([]string{"/role/forgotten"})
	interned.Lock()
	clear(interned.policies)
	clear(interned.closures)
	interned.Unlock()
	q, d := And(nil, []string{"/role/forgotten"}), NewClosure([]string{"/role/forgotten"})
	none := NewClosure(nil)
	if p == q || c == d || p.id == q.id || c.id == d.id {
		t.Fatal("the values were not forgotten")
	}
	for _, policy := range []*Policy{p, q} {
		if !c.Meets(policy) || !d.Meets(policy) || none.Meets(policy) {
			t.Errorf("policy %d is met by %v and %v, and by nothing: %v", policy.id, c.Meets(policy), d.Meets(policy), none.Meets(policy))
		}
	}
}

func TestValidIsOfOneStampAndItsTimes(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		stamp uint64
		now   int64
		want  bool
	}{{7, 10, true}, {7, 19, true}, {7, 9, false}, {7, 20, false}, {8, 10, false}, {0, 10, false}} {
		if got := (&Rights{Stamp: 7, From: 10, Until: 20}).Valid(test.stamp, test.now); got != test.want {
			t.Errorf("rights are valid at %d with stamp %d: %v, want %v", test.now, test.stamp, got, test.want)
		}
		if got := (&Held{Stamp: 7, From: 10, Until: 20}).Valid(test.stamp, test.now); got != test.want {
			t.Errorf("a closure is valid at %d with stamp %d: %v, want %v", test.now, test.stamp, got, test.want)
		}
	}
	if (*Rights)(nil).Valid(7, 10) || (*Held)(nil).Valid(7, 10) {
		t.Error("nothing at all is valid")
	}
}

// TestNothingIsRememberedOfWhatHasNoID: several values may have none.
func TestNothingIsRememberedOfWhatHasNoID(t *testing.T) {
	t.Parallel()
	c, d := &Closure{roles: []uint32{1}}, &Closure{roles: []uint32{2}}
	p, q := newPolicy(0, []roleSet{{1}}), newPolicy(0, []roleSet{{2}})
	for range 2 {
		if !c.Meets(p) || c.Meets(q) || d.Meets(p) || !d.Meets(q) {
			t.Errorf("role 1 meets %v, %v and role 2 %v, %v; want true, false and false, true", c.Meets(p), c.Meets(q), d.Meets(p), d.Meets(q))
		}
	}
}
