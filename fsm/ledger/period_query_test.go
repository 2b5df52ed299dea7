package ledger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func TestPeriods(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	want := &pb.PeriodsResponse{}
	for _, name := range []string{"2026-09", "", "2026-11"} {
		until := m.Position().Time
		res := fsmtest.Must(m.Operator, ledger.ClosePeriod, &pb.ClosePeriodRequest{UntilUnixNanos: until, Name: name})
		want.Periods = append(want.Periods, &pb.Period{
			Name: name, UntilUnixNanos: until, Index: res.Index, UnixNanos: m.Position().Time, Principal: "/user/operator",
		})
	}
	got, err := fsmtest.Ask(m.Operator, ledger.Periods, &pb.PeriodsRequest{})
	if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" || err != nil {
		t.Errorf("the periods: %v (-want +got):\n%s", err, diff)
	}
}

// TestPeriodUpToNow: a period may end at the log time of the command that closes it,
// and not a nanosecond later.
func TestPeriodUpToNow(t *testing.T) {
	t.Parallel()
	m := newBooks(t)
	m.EntryNanos = 0
	now := m.Position().Time
	closing := func(until int64) error {
		_, err := fsmtest.Do(m.Operator, ledger.ClosePeriod, &pb.ClosePeriodRequest{UntilUnixNanos: until, Name: "now"})
		return err
	}
	wantKindOf(t, "a nanosecond later", closing(now+1), fault.Conflict)
	wantKindOf(t, "now", closing(now), "")
}
