package fault

import (
	"context"
	"errors"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// domain marks the ErrorInfo details that carry faults.
const domain = "acquired"

// codesOf is the one place where kinds and gRPC codes meet.
var codesOf = map[Kind]codes.Code{
	Invalid:         codes.InvalidArgument,
	NotFound:        codes.NotFound,
	Exists:          codes.AlreadyExists,
	Denied:          codes.PermissionDenied,
	Unauthenticated: codes.Unauthenticated,
	Conflict:        codes.Aborted,
	Insufficient:    codes.FailedPrecondition,
	Exhausted:       codes.ResourceExhausted,
	Unavailable:     codes.Unavailable,
	Internal:        codes.Internal,
}

// GRPCStatus makes a fault returned by a handler arrive as itself.
func (f *Fault) GRPCStatus() *status.Status {
	plain := status.New(codesOf[f.Kind], f.Message)
	detailed, err := plain.WithDetails(&errdetails.ErrorInfo{
		Domain: domain, Reason: string(f.Kind), Metadata: f.Details,
	})
	if err != nil {
		return plain
	}
	return detailed
}

// FromGRPC gives the fault that err, from a gRPC call, carries. A status that
// gRPC itself made (a message over the limit, a lost connection) becomes a
// fault of the matching kind; what was sent and not answered is of unknown
// outcome. A nil err gives nil.
func FromGRPC(err error) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*Fault](err); ok {
		return err
	}
	s := status.Convert(err)
	for _, detail := range s.Details() {
		if info, ok := detail.(*errdetails.ErrorInfo); ok && info.Domain == domain {
			return &Fault{Kind: Kind(info.Reason), Message: s.Message(), Details: info.Metadata}
		}
	}
	return fromCode(err, s)
}

func fromCode(err error, s *status.Status) error {
	switch s.Code() {
	case codes.DeadlineExceeded, codes.Canceled:
		return Unserved(Unknown, "no answer in time: %s", s.Message())
	case codes.Unavailable, codes.Unknown, codes.Internal:
		if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) {
			return Unserved(Unknown, "no answer in time: %s", s.Message())
		}
		return Unserved(Unknown, "%s", s.Message())
	}
	for kind, code := range codesOf {
		if code == s.Code() {
			return kind.New("%s", s.Message())
		}
	}
	return Internal.New("%s", s.Message())
}
