package client

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"acquired/proto/fault"
)

func TestLimitOf(t *testing.T) {
	var got []time.Duration
	for _, attempt := range []int{0, 1, 2, 3, 1000} {
		got = append(got, limitOf(attempt, true))
	}
	want := []time.Duration{3 * time.Second, 6 * time.Second, 10 * time.Second, 10 * time.Second, 10 * time.Second}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("limits of attempts (-want +got):\n%s", diff)
	}
	if got := limitOf(5, false); got != 0 {
		t.Errorf("limit of an unhurried attempt is %s, want none", got)
	}
}

func TestPauseAfter(t *testing.T) {
	tests := []struct {
		attempt           int
		shortest, longest time.Duration
	}{
		{0, 5 * time.Millisecond, 10 * time.Millisecond},
		{1, 10 * time.Millisecond, 20 * time.Millisecond},
		{6, 320 * time.Millisecond, 640 * time.Millisecond},
		{7, 500 * time.Millisecond, time.Second},
		{100000, 500 * time.Millisecond, time.Second},
	}
	for _, tt := range tests {
		longest := pauseAfter(tt.attempt, func(int64) int64 { return 0 })
		shortest := pauseAfter(tt.attempt, func(n int64) int64 { return n - 1 })
		if longest != tt.longest || shortest != tt.shortest {
			t.Errorf("pause after attempt %d is %s to %s, want %s to %s", tt.attempt, shortest, longest, tt.shortest, tt.longest)
		}
	}
}

func TestNextHint(t *testing.T) {
	asked := &node{address: "n1:1"}
	tests := []struct {
		name     string
		followed string
		err      error
		want     string
	}{
		{"leader elsewhere", "", fault.Unavailable.New("").With(detailLeader, "n2:1"), "n2:1"},
		{"leader itself", "", fault.Unavailable.New("").With(detailLeader, "n1:1"), ""},
		{"after a hint", "n1:1", fault.Unavailable.New("").With(detailLeader, "n2:1"), ""},
		{"no leader", "", fault.Unavailable.New(""), ""},
	}
	for _, tt := range tests {
		if got := nextHint(tt.followed, asked, tt.err); got != tt.want {
			t.Errorf("%s: hint is %q, want %q", tt.name, got, tt.want)
		}
	}
}

func TestConclude(t *testing.T) {
	tests := []struct {
		name    string
		err     error
		open    bool
		index   uint64
		kind    fault.Kind
		outcome fault.Outcome
	}{
		{"never sent", fault.Unavailable.New("down"), false, 0, fault.Unavailable, fault.Definite},
		{"sent once, then never", fault.Unserved(fault.Definite, "down"), true, 0, fault.Unavailable, fault.Unknown},
		{"refused", fault.Conflict.New("used"), false, 0, fault.Conflict, fault.Definite},
		{"sent once, then refused by a node", fault.Exhausted.New("full"), true, 0, fault.Unavailable, fault.Unknown},
		{"sent once, then refused by the log", fault.Conflict.New("used"), true, 8, fault.Conflict, fault.Definite},
		{"an error inside", fault.Internal.New("bug"), false, 0, fault.Internal, fault.Unknown},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) { wantFault(t, conclude(tt.err, tt.open, tt.index), tt.kind, tt.outcome) })
	}
	if err := conclude(nil, true, 0); err != nil {
		t.Errorf("an answer after a silence ends with %v, want no error", err)
	}
	with := conclude(fault.Unavailable.New("not the leader").With(detailLeader, "n2:1"), true, 0).(*fault.Fault)
	if with.Details[detailLeader] != "n2:1" {
		t.Errorf("details are %v, want those of the fault kept", with.Details)
	}
}
