// Package swf reads logs of jobs in the Standard Workload Format of the
// Parallel Workloads Archive, and prices what the jobs used without losing a
// fraction of a minor unit.
//
// A log is text: header comments that begin with ";", then one line a job, of
// 18 numbers separated by blanks.
package swf

import (
	"math"
	"math/bits"
)

// Record is one job of a log. In every field -1 means unknown. Times are in
// seconds, memory in kilobytes a processor. Logs hold what was recorded, so
// any field may be negative or absurd.
type Record struct {
	// Job is the number of the job in the log. Lines that tell of the parts of
	// a suspended job repeat it: see Status.
	Job int64
	// Submit counts from the start of the log.
	Submit              int64
	Wait                int64
	RunTime             int64
	AllocatedProcessors int64
	// AverageCPUTime is over all processors, cut to whole seconds.
	AverageCPUTime      int64
	UsedMemory          int64
	RequestedProcessors int64
	RequestedTime       int64
	RequestedMemory     int64
	// Status is 1 for a completed job, 0 for a failed and 5 for a cancelled one.
	// 2, 3 and 4 are parts of a suspended job, which a line before them sums up:
	// to count both is to count twice.
	Status       int64
	User         int64
	Group        int64
	Executable   int64
	Queue        int64
	Partition    int64
	PrecedingJob int64
	// ThinkTime is between the end of PrecedingJob and the submission of this one.
	ThinkTime int64
}

// Reasons for which Record.CoreSeconds counts nothing.
const (
	SkipRunTime    = "run time unknown or not positive"
	SkipProcessors = "processors unknown or not positive"
	// SkipOverflow is a record that cannot be true: no machine has run so long.
	SkipOverflow = "run time times processors is over 2^64-1"
)

// CoreSeconds gives the run time times the allocated processors. When the
// record does not tell, skip is one of the reasons above; it is empty otherwise.
func (r Record) CoreSeconds() (coreSeconds uint64, skip string) {
	switch {
	case r.RunTime <= 0:
		return 0, SkipRunTime
	case r.AllocatedProcessors <= 0:
		return 0, SkipProcessors
	}
	overflow, coreSeconds := bits.Mul64(uint64(r.RunTime), uint64(r.AllocatedProcessors))
	if overflow != 0 {
		return 0, SkipOverflow
	}
	return coreSeconds, ""
}

// Lifetime gives when the job was submitted and when it ended, in seconds from
// the start of the log. What is unknown counts as none, and no time as more than
// MaxTime. A job whose run time is known ends after it was submitted.
func (r Record) Lifetime() (submitted, ended int64) {
	submitted = clamp(r.Submit)
	return submitted, submitted + clamp(r.Wait) + clamp(r.RunTime)
}

func clamp(seconds int64) int64 { return min(max(seconds, 0), MaxTime) }

// AskedCoreSeconds gives the time that the job asked for times the processors that
// it asked for. Where the record does not say how many, the allocated ones count,
// and where it does not say how long, one and a half times the run time, rounded
// up. A product of more than 2^64-1 is 2^64-1.
func (r Record) AskedCoreSeconds() uint64 {
	processors, seconds := r.RequestedProcessors, uint64(max(r.RequestedTime, 0))
	if processors <= 0 {
		processors = max(r.AllocatedProcessors, 0)
	}
	if seconds == 0 {
		ran := uint64(max(r.RunTime, 0))
		seconds = ran + ran/2 + ran%2
	}
	overflow, coreSeconds := bits.Mul64(seconds, uint64(processors))
	if overflow != 0 {
		return math.MaxUint64
	}
	return coreSeconds
}
