package main

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math/bits"
	"slices"
	"strconv"

	"acquired/cmd/acquired/swf"
	"acquired/proto/fault"
)

// skipPart is a line about a part of a suspended job, which another line sums up.
const skipPart = "part of a suspended job"

// jobLog is what an import keeps of a log: 52 bytes a job.
type jobLog struct {
	records uint64
	// start is the instant that times count from, in seconds since 1970; 0 is
	// unknown.
	start int64
	// jobs are those that are charged, in the order of the log, and byNumber their
	// positions in the order of their numbers.
	jobs     []loggedJob
	byNumber []int32
	// users are those of the jobs, in the order in which they appear.
	users []logUser
	// skipped counts the records that are not charged, by reason.
	skipped     map[string]uint64
	coreSeconds uint64
}

type loggedJob struct {
	number int64
	// submitted and ended are in seconds from the start of the log.
	submitted, ended int64
	// asked is what the job asked for, coreSeconds what it used.
	asked, coreSeconds uint64
	// user is a position in users.
	user int32
}

type logUser struct {
	id          int64
	coreSeconds uint64
}

// name is the last part of the user's account.
func (u logUser) name() string {
	if u.id < 0 {
		return "unknown"
	}
	return strconv.FormatInt(u.id, 10)
}

// collectJobs reads a whole log. A job number that occurs twice is refused: the
// two jobs would have one hold.
func collectJobs(ctx context.Context, r *swf.Reader) (*jobLog, error) {
	log := &jobLog{skipped: make(map[string]uint64)}
	users := make(map[int64]int32)
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			log.start = r.Start()
			return log, log.index()
		}
		if err != nil {
			return nil, err
		}
		if log.records++; log.records%4096 == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err := log.add(record, users); err != nil {
			return nil, err
		}
	}
}

// add takes a record; users are the positions of the users' ids.
func (l *jobLog) add(record swf.Record, users map[int64]int32) error {
	if record.Status >= 2 && record.Status <= 4 {
		l.skipped[skipPart]++
		return nil
	}
	coreSeconds, skip := record.CoreSeconds()
	if skip != "" {
		l.skipped[skip]++
		return nil
	}
	id := max(record.User, -1)
	user, known := users[id]
	if !known {
		user = int32(len(l.users))
		users[id] = user
		l.users = append(l.users, logUser{id: id})
	}
	sum, carry := bits.Add64(l.coreSeconds, coreSeconds, 0)
	if carry != 0 {
		return fault.Invalid.New("job %d: the core-seconds of the log are over 2^64-1", record.Job)
	}
	l.coreSeconds = sum
	l.users[user].coreSeconds += coreSeconds
	submitted, ended := record.Lifetime()
	l.jobs = append(l.jobs, loggedJob{record.Job, submitted, ended, record.AskedCoreSeconds(), coreSeconds, user})
	return nil
}

// index puts the jobs in the order of their numbers.
func (l *jobLog) index() error {
	l.byNumber = make([]int32, len(l.jobs))
	for position := range l.jobs {
		l.byNumber[position] = int32(position)
	}
	slices.SortFunc(l.byNumber, func(a, b int32) int { return cmp.Compare(l.jobs[a].number, l.jobs[b].number) })
	for i := 1; i < len(l.byNumber); i++ {
		if number := l.jobs[l.byNumber[i]].number; number == l.jobs[l.byNumber[i-1]].number {
			return fault.Invalid.New("job %d occurs more than once: a log has one record a job", number)
		}
	}
	return nil
}

// position gives that of the job with the number.
func (l *jobLog) position(number int64) (int, bool) {
	at, ok := slices.BinarySearchFunc(l.byNumber, number, func(position int32, number int64) int {
		return cmp.Compare(l.jobs[position].number, number)
	})
	if !ok {
		return 0, false
	}
	return int(l.byNumber[at]), true
}

// skips is how many records are not charged.
func (l *jobLog) skips() uint64 { return l.records - uint64(len(l.jobs)) }

// event is the submission or the end of a job: its position in the log doubled,
// and one more for the end. A log has less than 2^31 jobs.
type event uint32

func (e event) job() int   { return int(e / 2) }
func (e event) ends() bool { return e%2 == 1 }

// events are in the order of time. At one instant jobs end first, which frees
// what they reserve, and otherwise the order is that of the log.
func (l *jobLog) events() []event {
	all := make([]event, 2*len(l.jobs))
	for i := range all {
		all[i] = event(i)
	}
	slices.SortFunc(all, func(a, b event) int {
		if order := cmp.Compare(l.at(a), l.at(b)); order != 0 || a.ends() == b.ends() {
			return cmp.Or(order, cmp.Compare(a, b))
		}
		if a.ends() {
			return -1
		}
		return 1
	})
	return all
}

// at gives when it happened, in seconds from the start of the log.
func (l *jobLog) at(e event) int64 {
	if e.ends() {
		return l.jobs[e.job()].ended
	}
	return l.jobs[e.job()].submitted
}

// mostAtOnce gives how many jobs there were at most between submission and end.
func (l *jobLog) mostAtOnce() int {
	open, most := 0, 0
	for _, e := range l.events() {
		if e.ends() {
			open--
			continue
		}
		open++
		most = max(most, open)
	}
	return most
}
