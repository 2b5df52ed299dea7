package ledger_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
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
