package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"slices"
	"strconv"

	"acquired/cmd/acquired/swf"
	"acquired/proto/fault"
)

// skipPart is a line about a part of a suspended job, which another line sums up.
const skipPart = "part of a suspended job"

// jobLog is what an import keeps of a log: 24 bytes a job.
type jobLog struct {
	records uint64
	// jobs are those that are charged, in the order of the log.
	jobs []loggedJob
	// users are those of the jobs, in the order in which they appear.
	users []logUser
	// skipped counts the records that are not charged, by reason.
	skipped     map[string]uint64
	coreSeconds uint64
}

type loggedJob struct {
	number      int64
	coreSeconds uint64
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
// two jobs would have one transfer.
func collectJobs(ctx context.Context, r *swf.Reader) (*jobLog, error) {
	log := &jobLog{skipped: make(map[string]uint64)}
	users := make(map[int64]int32)
	for {
		record, err := r.Read()
		if errors.Is(err, io.EOF) {
			return log, log.checkNumbers()
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
	l.jobs = append(l.jobs, loggedJob{record.Job, coreSeconds, user})
	return nil
}

func (l *jobLog) checkNumbers() error {
	numbers := make([]int64, len(l.jobs))
	for i, job := range l.jobs {
		numbers[i] = job.number
	}
	slices.Sort(numbers)
	for i := 1; i < len(numbers); i++ {
		if numbers[i] == numbers[i-1] {
			return fault.Invalid.New("job %d occurs more than once: a log has one record a job", numbers[i])
		}
	}
	return nil
}

// skips is how many records are not charged.
func (l *jobLog) skips() uint64 { return l.records - uint64(len(l.jobs)) }

// checkCharges refuses a price at which a user would be charged more than an
// account can hold.
func (l *jobLog) checkCharges(price swf.Price) error {
	for _, user := range l.users {
		if _, err := swf.NewMeter(price).Charge(user.coreSeconds); err != nil {
			return fmt.Errorf("user %s: %w", user.name(), err)
		}
	}
	return nil
}
