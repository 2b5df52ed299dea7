package server_test

import (
	"fmt"
	"math"
	"math/big"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"
)

// amounts is a balance. Each transfer to an account moves another power of two,
// so a balance shows which transfers it holds: bit i is the transfer of 2^i. One
// that was applied twice shows as one that was never made.
type amounts [2]uint64

// mostAmounts leaves room below the most that one account can have paid to all others.
const mostAmounts = 98

func (a amounts) with(i int) amounts {
	a[i/64] |= 1 << (i % 64)
	return a
}

func (a amounts) union(b amounts) amounts { return amounts{a[0] | b[0], a[1] | b[1]} }

// covers says whether a holds all that b holds.
func (a amounts) covers(b amounts) bool { return b[0]&^a[0] == 0 && b[1]&^a[1] == 0 }

func (a amounts) String() string {
	sum := new(big.Int).SetUint64(a[1])
	return sum.Lsh(sum, 64).Add(sum, new(big.Int).SetUint64(a[0])).String()
}

func parseAmounts(s string) (a amounts, err error) {
	sum, ok := new(big.Int).SetString(s, 10)
	if !ok || sum.Sign() < 0 || sum.BitLen() > 128 {
		return a, fmt.Errorf("%q is no balance", s)
	}
	low := new(big.Int).And(sum, new(big.Int).SetUint64(math.MaxUint64))
	return amounts{low.Uint64(), sum.Rsh(sum, 64).Uint64()}, nil
}

// step is what a client asked for.
type step struct {
	account string
	// amount is the exponent of what is transferred; reading transfers nothing.
	amount int
}

const reading = -1

// counter is what an account must look like from outside: a sum that transfers
// add to and reads show.
var counter = porcupine.Model{
	Partition: byAccount,
	Init:      func() any { return amounts{} },
	Step: func(state, input, output any) (bool, any) {
		now, asked := state.(amounts), input.(step)
		if asked.amount == reading {
			return output.(amounts) == now, now
		}
		return true, now.with(asked.amount)
	},
	DescribeOperation: func(input, output any) string {
		if asked := input.(step); asked.amount != reading {
			return fmt.Sprintf("add 2^%d", asked.amount)
		}
		return fmt.Sprintf("read %v", output)
	},
	DescribeState: func(state any) string { return fmt.Sprint(state) },
}

func byAccount(operations []porcupine.Operation) [][]porcupine.Operation {
	position := make(map[string]int)
	var parts [][]porcupine.Operation
	for _, o := range operations {
		account := o.Input.(step).account
		i, ok := position[account]
		if !ok {
			i = len(parts)
			position[account] = i
			parts = append(parts, nil)
		}
		parts[i] = append(parts[i], o)
	}
	return parts
}

// history is what clients did and were told. Its clock counts calls and returns:
// in virtual time, much happens at the same instant.
type history struct {
	clock atomic.Int64
	names atomic.Int64

	mu         sync.Mutex
	operations []porcupine.Operation
}

// now is read before a call is sent, and after its answer has come.
func (h *history) now() int64 { return h.clock.Add(1) }

// newProcess names one that does one thing after another. A process that does
// not know what became of a transfer ends, as that transfer may go on.
func (h *history) newProcess() int { return int(h.names.Add(1)) }

// add records what ended: a read, or a transfer that was acknowledged.
func (h *history) add(process int, asked step, call int64, shown amounts) {
	h.record(process, asked, call, h.now(), shown)
}

// addUnknown records a transfer that may take effect at any time from now on.
func (h *history) addUnknown(process int, asked step, call int64) {
	h.record(process, asked, call, math.MaxInt64, amounts{})
}

func (h *history) record(process int, asked step, call, end int64, shown amounts) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.operations = append(h.operations, porcupine.Operation{ClientId: process, Input: asked, Call: call, Output: shown, Return: end})
}

// checkTimeout is generous: a history that takes as long is too large.
const checkTimeout = time.Minute

// checkHistory fails the test if an account was not linearizable, or if that
// could not be decided. It must not run in virtual time.
func checkHistory(t *testing.T, operations []porcupine.Operation) {
	t.Helper()
	for _, part := range byAccount(operations) {
		account := part[0].Input.(step).account
		result, info := porcupine.CheckOperationsVerbose(counter, part, checkTimeout)
		if result == porcupine.Ok {
			continue
		}
		t.Errorf("%s: linearizable is %s, for %d operations", account, result, len(part))
		path := filepath.Join(t.ArtifactDir(), filepath.Base(account)+".html")
		if err := porcupine.VisualizePath(counter, info, path); err != nil {
			t.Error(err)
		}
	}
}

func TestHistoriesAreJudged(t *testing.T) {
	t.Parallel()
	const a = "/account/a"
	sum := func(bits ...int) (s amounts) {
		for _, i := range bits {
			s = s.with(i)
		}
		return s
	}
	add := func(i int, call, end int64) porcupine.Operation {
		return porcupine.Operation{Input: step{a, i}, Call: call, Return: end, Output: amounts{}}
	}
	unknown := func(i int, call int64) porcupine.Operation { return add(i, call, math.MaxInt64) }
	read := func(s amounts, call, end int64) porcupine.Operation {
		return porcupine.Operation{Input: step{a, reading}, Call: call, Return: end, Output: s}
	}
	for _, test := range []struct {
		name       string
		operations []porcupine.Operation
		want       bool
	}{
		{"one after another", []porcupine.Operation{add(0, 1, 2), read(sum(0), 3, 4), add(1, 5, 6), read(sum(0, 1), 7, 8)}, true},
		{"a read meanwhile shows the transfer", []porcupine.Operation{add(0, 1, 4), read(sum(0), 2, 3)}, true},
		{"a read meanwhile does not show it", []porcupine.Operation{add(0, 1, 4), read(sum(), 2, 3)}, true},
		{"an unknown transfer never shows", []porcupine.Operation{unknown(0, 1), read(sum(), 2, 3), read(sum(), 4, 5)}, true},
		{"an unknown transfer shows late", []porcupine.Operation{unknown(0, 1), read(sum(), 2, 3), read(sum(0), 4, 5)}, true},
		{"the highest amount", []porcupine.Operation{add(mostAmounts-1, 1, 2), read(sum(mostAmounts-1), 3, 4)}, true},

		{"a stale read", []porcupine.Operation{add(0, 1, 2), read(sum(), 3, 4)}, false},
		{"a transfer is lost later", []porcupine.Operation{add(0, 1, 2), read(sum(0), 3, 4), add(1, 5, 6), read(sum(1), 7, 8)}, false},
		{"reads go back", []porcupine.Operation{add(0, 1, 8), read(sum(0), 2, 3), read(sum(), 4, 5)}, false},
		{"two readers see two orders", []porcupine.Operation{
			add(0, 1, 8), add(1, 2, 9), read(sum(0), 3, 4), read(sum(1), 5, 6),
		}, false},
		{"a transfer is applied twice", []porcupine.Operation{add(0, 1, 2), read(sum(1), 3, 4)}, false},
		{"a refused transfer shows", []porcupine.Operation{add(0, 1, 2), read(sum(0, 5), 3, 4)}, false},
		{"an unknown transfer shows and is gone", []porcupine.Operation{
			unknown(0, 1), read(sum(0), 2, 3), read(sum(), 4, 5),
		}, false},
		{"a transfer shows before it is asked for", []porcupine.Operation{read(sum(0), 1, 2), add(0, 3, 4)}, false},
	} {
		if got := porcupine.CheckOperations(counter, test.operations); got != test.want {
			t.Errorf("%s: linearizable is %v, want %v", test.name, got, test.want)
		}
	}
}

func TestAmountsAreBalances(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"0", "1", "18446744073709551616", "10141204801825835211973625643007"} {
		a, err := parseAmounts(text)
		if err != nil || a.String() != text {
			t.Errorf("%s comes back as %s, %v", text, a, err)
		}
	}
	for _, text := range []string{"", "-1", "1.5", "340282366920938463463374607431768211456"} {
		if a, err := parseAmounts(text); err == nil {
			t.Errorf("%q is read as %s", text, a)
		}
	}
}
