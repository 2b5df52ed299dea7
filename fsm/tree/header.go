package tree

import (
	"acquired/fsm/kv"
	"acquired/proto/fault"
)

// Header is what all annotations of a node have. Unique tells those of one tag on
// one node apart.
type Header struct {
	Unique  uint64
	Version uint64
	// Start and End are the log times, in nanoseconds since 1970, from which the
	// annotation holds and at which it ceases to; 0 is always and never.
	Start, End int64
}

// InForce says whether the annotation holds at the log time.
func (h Header) InForce(now int64) bool { return h.Start <= now && !h.Ended(now) }

// Ended says whether the annotation has ceased to hold for good.
func (h Header) Ended(now int64) bool { return h.End != 0 && h.End <= now }

// Boundary gives the next log time behind now at which the annotation begins or
// ceases to hold; ok is false when there is none.
func (h Header) Boundary(now int64) (at int64, ok bool) {
	switch {
	case h.Start > now:
		return h.Start, true
	case h.End > now:
		return h.End, true
	}
	return 0, false
}

// Limits of annotations.
const (
	// MaxUnique is the largest integer that JavaScript tells from its neighbours.
	MaxUnique = 1<<53 - 1
	// MaxAnnotations is how many of one kind a node has: clauses, applied roles, or
	// others.
	MaxAnnotations = 256
)

// AnyVersion is what must be there for a write that takes whatever there is.
const AnyVersion = -1

// Write gives the header of an annotation that is written over the one there is,
// nil when there is none. ifVersion says what must be there: 0 nothing, n that
// version, AnyVersion whatever.
func Write(existing *Header, h Header, ifVersion int64) (Header, error) {
	switch {
	case existing == nil && ifVersion > 0:
		return h, fault.Conflict.New("version %d is to be there and nothing is", ifVersion)
	case existing == nil:
		h.Version = 1
		return h, nil
	case ifVersion == 0:
		return h, fault.Exists.New("it exists, at version %d", existing.Version)
	case ifVersion > 0 && uint64(ifVersion) != existing.Version:
		return h, fault.Conflict.New("version %d is to be there and %d is", ifVersion, existing.Version)
	}
	h.Version = existing.Version + 1
	return h, nil
}

// CheckRemoval is Write for a removal, of which 0 takes whatever there is.
func CheckRemoval(existing Header, ifVersion int64) error {
	if ifVersion > 0 && uint64(ifVersion) != existing.Version {
		return fault.Conflict.New("version %d is to be there and %d is", ifVersion, existing.Version)
	}
	return nil
}

// CheckTimes refuses times that make no sense.
func CheckTimes(start, end int64) error {
	if start < 0 || end < 0 {
		return fault.Invalid.New("start %d and end %d: a time is in nanoseconds since 1970, not before", start, end)
	}
	if end != 0 && end <= start {
		return fault.Invalid.New("end %d is not after start %d", end, start)
	}
	return nil
}

// AppendHeader appends the fields of a header to a record.
func AppendHeader(b []byte, h Header) []byte {
	b = kv.AppendUint(kv.AppendUint(b, h.Unique), h.Version)
	return kv.AppendInt(kv.AppendInt(b, h.Start), h.End)
}

// DecodeHeader reads what AppendHeader appended.
func DecodeHeader(d *kv.Decoder) Header {
	return Header{Unique: d.Uint(), Version: d.Uint(), Start: d.Int(), End: d.Int()}
}
