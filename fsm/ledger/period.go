package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// period is a time that is over: nothing can be back-dated into it.
type period struct {
	// until is the instant behind it, in nanoseconds since 1970.
	until     int64
	name      string
	index     uint64
	time      int64
	principal path.Path
}

type periodKey int64

// AppendKey implements kv.Key. Times are not negative.
func (k periodKey) AppendKey(b []byte) []byte { return kv.AppendUint64Key(b, ^uint64(k)) }

// periods are in the order of time backward: the first is the newest.
var periods = kv.NewTable(&Schema, "ledger/period", kv.Codec[period]{
	Append: func(b []byte, p period) []byte {
		b = kv.AppendUint(kv.AppendString(kv.AppendInt(b, p.until), p.name), p.index)
		return kv.AppendString(kv.AppendInt(b, p.time), p.principal)
	},
	Decode: func(b []byte) (period, error) {
		d := kv.NewDecoder(b)
		p := period{until: d.Int(), name: d.String(), index: d.Uint(), time: d.Int(), principal: path.Path(d.String())}
		return p, d.Err()
	},
}, func(p period) periodKey { return periodKey(p.until) }, kv.Resident)

// closedUntil is the instant behind the newest closed period, or 0.
func closedUntil(r kv.Reader) int64 {
	for p := range periods.All(r) {
		return p.until
	}
	return 0
}

func mayClosePeriod(_ kv.Reader, req *pb.ClosePeriodRequest) ([]command.Need, error) {
	if req.UntilUnixNanos <= 0 {
		return nil, fault.Invalid.New("until_unix_nanos: the instant up to which the period is closed is missing")
	}
	return needs(command.Admin, Accounts), checkText("name", req.Name, 0, MaxPeriodName)
}

// Limits of periods.
const (
	// MaxPeriodName is in bytes.
	MaxPeriodName = 64
	// MaxPeriods is how many periods can be closed: days of 27 years. All are in one
	// answer.
	MaxPeriods = 10_000
)

// describePeriod says what a line of the audit log does, whatever the name.
func describePeriod(name string, until int64) string {
	return "close the time up to " + instant(until) + ", the period " + quote(name)
}

func closePeriod(tx *command.Tx, req *pb.ClosePeriodRequest) (*pb.ClosePeriodResponse, error) {
	switch until := closedUntil(tx); {
	case req.UntilUnixNanos <= until:
		return nil, fault.Conflict.New("the time up to %s is closed, %s is in it", instant(until), instant(req.UntilUnixNanos))
	case req.UntilUnixNanos > tx.Time:
		return nil, fault.Conflict.New("%s is after the log time, %s: a period is closed when it is over", instant(req.UntilUnixNanos), instant(tx.Time))
	}
	count := 0
	for range periods.All(tx) {
		count++
	}
	if count >= MaxPeriods {
		return nil, fault.Exhausted.New("%d periods are closed, which is the most", count)
	}
	periods.Put(tx.Tx, period{until: req.UntilUnixNanos, name: req.Name, index: tx.Index, time: tx.Time, principal: tx.Caller.Principal})
	auditOne(tx, &auditLine{what: describePeriod(req.Name, req.UntilUnixNanos)})
	return &pb.ClosePeriodResponse{Index: tx.Index}, nil
}
