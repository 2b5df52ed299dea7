package main

import (
	"errors"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/pflag"
)

// instantForm is how an instant is given on the command line.
const instantForm = "2027-01-31, 2027-01-31T15:04:05Z, or -8h, -7d or +7d from now"

// writtenInstantForm is that of an instant which is part of what an id stands for.
const writtenInstantForm = instantForm + ", which moves on: to send an id again, give an absolute time"

// parseInstant gives nanoseconds since 1970; 0 is none.
func parseInstant(name, s string, now time.Time) (int64, error) {
	if !strings.HasPrefix(s, "+") && !strings.HasPrefix(s, "-") {
		return parseTime(name, s, now)
	}
	d, err := parseDays(s[1:])
	if err != nil {
		return 0, usage("--%s %q is no time from now, such as -8h, -7d or +7d", name, s)
	}
	if s[0] == '-' {
		d = -d
	}
	at := now.Add(d)
	if at.Unix() <= 0 || at.Year() > lastYear {
		return 0, usage("--%s %q is not between 1970 and %d", name, s, lastYear)
	}
	return at.UnixNano(), nil
}

// parseDays reads what time.ParseDuration does, without a sign, and whole days:
// "7d".
func parseDays(s string) (time.Duration, error) {
	if strings.HasPrefix(s, "-") || strings.HasPrefix(s, "+") {
		return 0, errors.New("it has a sign")
	}
	number, ok := strings.CutSuffix(s, "d")
	if !ok {
		return time.ParseDuration(s)
	}
	days, err := strconv.ParseUint(number, 10, 32)
	if err != nil || days > math.MaxInt64/uint64(24*time.Hour) {
		return 0, errors.New("it is no number of days")
	}
	return time.Duration(days) * 24 * time.Hour, nil
}

// expiryFlags are the two ways to say how long something lasts.
type expiryFlags struct{ lifetime, expires string }

func (e *expiryFlags) register(flags *pflag.FlagSet, unless string) {
	flags.StringVar(&e.lifetime, "for", "", "how long it lasts, in whole seconds and at most ten years: 90m, 36h or 7d (default: "+unless+")")
	flags.StringVar(&e.expires, "expires", "", "when it ends, in place of --for: "+writtenInstantForm)
}

// parse gives the end in nanoseconds since 1970, or a lifetime in seconds. With
// neither both are 0.
func (e *expiryFlags) parse(now time.Time) (expires int64, seconds uint64, err error) {
	if e.lifetime != "" && e.expires != "" {
		return 0, 0, usage("--for and --expires do not go together")
	}
	if e.lifetime != "" {
		seconds, err = parseSeconds("for", e.lifetime)
		return 0, seconds, err
	}
	expires, err = parseInstant("expires", e.expires, now)
	return expires, 0, err
}

func parseSeconds(name, s string) (uint64, error) {
	d, err := parseDays(s)
	if err != nil || d < time.Second || d%time.Second != 0 {
		return 0, usage("--%s %q is not whole seconds, such as 90m, 36h or 7d", name, s)
	}
	return uint64(d / time.Second), nil
}

// effectiveFlag is when a step counts as having happened.
type effectiveFlag struct{ at string }

func (e *effectiveFlag) register(flags *pflag.FlagSet) {
	flags.StringVar(&e.at, "effective", "", "when it counts as having happened, not after now and in an open period: "+writtenInstantForm+" (default: when it happens)")
}

func (e *effectiveFlag) parse(now time.Time) (int64, error) {
	return parseInstant("effective", e.at, now)
}

// asOfFlags are the instant that a balance is asked for.
type asOfFlags struct {
	at        string
	effective bool
}

func (a *asOfFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&a.at, "at", "", "as it was at this instant: "+instantForm+" (default: now)")
	flags.BoolVar(&a.effective, "effective", false, "--at is one of effective time: what has come to be known since counts (default: of log time)")
}

func (a *asOfFlags) parse(now time.Time) (int64, error) {
	if a.effective && a.at == "" {
		return 0, usage("--effective is for --at")
	}
	return parseInstant("at", a.at, now)
}

// rangeFlags are from when, and until before when.
type rangeFlags struct{ from, until string }

func (r *rangeFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&r.from, "from", "", "only from this instant on: "+instantForm+" (default: the beginning)")
	flags.StringVar(&r.until, "until", "", "only before this instant (default: the end)")
}

func (r *rangeFlags) parse(now time.Time) (from, until int64, err error) {
	if from, err = parseInstant("from", r.from, now); err != nil {
		return 0, 0, err
	}
	if until, err = parseInstant("until", r.until, now); err != nil {
		return 0, 0, err
	}
	if from != 0 && until != 0 && until <= from {
		return 0, 0, usage("--until %s is not after --from %s", r.until, r.from)
	}
	return from, until, nil
}
