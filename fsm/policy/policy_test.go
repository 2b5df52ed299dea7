package policy_test

import (
	"fmt"
	"slices"
	"sync"
	"testing"

	"pgregory.net/rapid"

	"acquired/fsm/policy"
)

// universe is few roles, so that sets meet.
var universe = []string{"/role/a", "/role/b", "/role/c", "/role/d", "/role/e"}

// names draws roles, in any order and some of them twice. Each test has a
// generator of its own: those of rapid are not for several goroutines.
func names() *rapid.Generator[[]string] { return rapid.SliceOfN(rapid.SampledFrom(universe), 0, 4) }

// needs draws role sets, rarely one that is empty.
func needs() *rapid.Generator[[][]string] {
	return rapid.SliceOfN(rapid.OneOf(rapid.SliceOfN(rapid.SampledFrom(universe), 1, 4), names()), 0, 5)
}

// naive says whether the roles are enough, as the rule is written.
func naive(sets [][]string, held []string) bool {
	for _, set := range sets {
		if !slices.ContainsFunc(set, func(role string) bool { return slices.Contains(held, role) }) {
			return false
		}
	}
	return true
}

// subsets gives all that can be held of the universe.
func subsets() (all [][]string) {
	for mask := range 1 << len(universe) {
		var held []string
		for i, role := range universe {
			if mask&(1<<i) != 0 {
				held = append(held, role)
			}
		}
		all = append(all, held)
	}
	return all
}

func TestMeetsIsTheRule(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		first, then := needs().Draw(t, "first"), needs().Draw(t, "then")
		held := names().Draw(t, "held")
		p := policy.And(policy.And(nil, first...), then...)
		want := naive(slices.Concat(first, then), held)
		for range 2 { // worked out, and remembered
			if got := policy.NewClosure(held).Meets(p); got != want {
				t.Fatalf("%q meets %q and %q: %v, want %v", held, first, then, got, want)
			}
		}
	})
}

// TestEqualPoliciesAreOne: two policies are the same pointer exactly when no
// closure tells them apart.
func TestEqualPoliciesAreOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := needs().Draw(t, "a"), needs().Draw(t, "b")
		if rapid.Bool().Draw(t, "nearly the same") {
			b = slices.Clone(a)
			if len(b) > 0 {
				b = append(b, b[0], append(slices.Clone(b[len(b)-1]), universe[0])) // implied by what is there
				slices.Reverse(b)
			}
		}
		equal := true
		for _, held := range subsets() {
			equal = equal && naive(a, held) == naive(b, held)
		}
		if got := policy.And(nil, a...) == policy.And(nil, b...); got != equal {
			t.Fatalf("the policies of %q and %q are one: %v, want %v", a, b, got, equal)
		}
	})
}

func TestEqualClosuresAreOne(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a, b := names().Draw(t, "a"), names().Draw(t, "b")
		if rapid.Bool().Draw(t, "the same") {
			b = rapid.Permutation(slices.Concat(a, a[:len(a)/2])).Draw(t, "another order")
		}
		sorted := func(s []string) []string { return slices.Compact(slices.Sorted(slices.Values(s))) }
		equal := slices.Equal(sorted(a), sorted(b))
		if got := policy.NewClosure(a) == policy.NewClosure(b); got != equal {
			t.Fatalf("the closures of %q and %q are one: %v, want %v", a, b, got, equal)
		}
	})
}

// TestAndLeavesItsArgumentsAlone: the policy above a node is shared by all that
// is below it.
func TestAndLeavesItsArgumentsAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		above := needs().Draw(t, "above")
		p := policy.And(nil, above...)
		for i := range rapid.IntRange(1, 4).Draw(t, "children") {
			sets := needs().Draw(t, fmt.Sprint("child ", i))
			before := fmt.Sprintf("%q", sets)
			policy.And(p, sets...)
			if after := fmt.Sprintf("%q", sets); after != before {
				t.Fatalf("And made %s of %s", after, before)
			}
		}
		for _, held := range subsets() {
			if got, want := policy.NewClosure(held).Meets(p), naive(above, held); got != want {
				t.Fatalf("%q meets %q: %v, want %v", held, above, got, want)
			}
		}
	})
}

func TestTheEnds(t *testing.T) {
	t.Parallel()
	nobody, some := new(policy.Closure), policy.NewClosure([]string{"/role/a"})
	anybody, never := policy.And(nil), policy.And(nil, []string{})
	for _, test := range []struct {
		name          string
		p             *policy.Policy
		nobody, someA bool
	}{
		{"no policy", nil, false, false},
		{"the zero policy", new(policy.Policy), true, true},
		{"no sets", anybody, true, true},
		{"an empty set", never, false, false},
		{"an empty set among others", policy.And(nil, []string{"/role/a"}, nil), false, false},
		{"a set behind an empty one", policy.And(never, []string{"/role/a"}), false, false},
		{"one role", policy.And(anybody, []string{"/role/a"}), false, true},
		{"another role", policy.And(nil, []string{"/role/b"}), false, false},
		{"both", policy.And(nil, []string{"/role/a"}, []string{"/role/b"}), false, false},
		{"either", policy.And(nil, []string{"/role/a", "/role/b"}), false, true},
	} {
		if got := nobody.Meets(test.p); got != test.nobody {
			t.Errorf("%s is met by who holds nothing: %v, want %v", test.name, got, test.nobody)
		}
		if got := policy.NewClosure(nil).Meets(test.p); got != test.nobody {
			t.Errorf("%s is met by the closure of nothing: %v, want %v", test.name, got, test.nobody)
		}
		if got := some.Meets(test.p); got != test.someA {
			t.Errorf("%s is met by role a: %v, want %v", test.name, got, test.someA)
		}
	}
	if policy.And(nil, []string{"/role/a"}, nil) != never {
		t.Error("what nobody meets is not one policy")
	}
}

// TestMeetsIsRightForManyAtOnce: several goroutines make the same values and
// compare them with the rule, while the memo is filled.
func TestMeetsIsRightForManyAtOnce(t *testing.T) {
	t.Parallel()
	sets := func(i int) [][]string {
		return [][]string{{universe[i%5], universe[i/5%5]}, {universe[i/25%5]}, {fmt.Sprint("/role/", i%7)}}
	}
	var working sync.WaitGroup
	for worker := range 4 {
		working.Go(func() {
			for i := range 2000 {
				need := sets((i*7 + worker) % 875)
				held := append(slices.Clone(universe[i%3:i%3+i%4]), fmt.Sprint("/role/", i%7))
				p, c := policy.And(nil, need...), policy.NewClosure(held)
				if got, want := c.Meets(p), naive(need, held); got != want {
					t.Errorf("%q meets %q: %v, want %v", held, need, got, want)
				}
				if again := policy.And(nil, need...); again != p {
					t.Errorf("%q is two policies", need)
				}
			}
		})
	}
	working.Wait()
}
