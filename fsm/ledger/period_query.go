package ledger

import (
	"slices"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	pb "acquired/proto/acquired/v1"
)

func maySeePeriods(kv.Reader, *pb.PeriodsRequest) ([]command.Need, error) {
	return needs(command.Read, Accounts), nil
}

func listPeriods(v *command.Reading, _ *pb.PeriodsRequest) (*pb.PeriodsResponse, error) {
	res := &pb.PeriodsResponse{}
	for p := range periods.All(v) {
		res.Periods = append(res.Periods, &pb.Period{
			Name: p.name, UntilUnixNanos: p.until, Index: p.index, UnixNanos: p.time, Principal: string(p.principal),
		})
	}
	slices.Reverse(res.Periods) // the newest is first in the table
	return res, nil
}
