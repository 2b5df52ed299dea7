package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"acquired/proto/fault"
)

// The exit statuses are part of the API.
const (
	statusDone = iota
	statusRefused
	statusUsage
	statusUnavailable
	// statusFatal is an agent that met what it must not survive.
	statusFatal
)

// usageError is a command, or a local file, that the user can put right.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usage(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// hintedError carries what the user may do next.
type hintedError struct {
	err  error
	hint string
}

func (e *hintedError) Error() string { return e.err.Error() }
func (e *hintedError) Unwrap() error { return e.err }

// withHint gives err a hint; a nil err stays nil. The innermost hint, which
// knows most, is the one that is shown.
func withHint(err error, format string, args ...any) error {
	if err == nil {
		return nil
	}
	if _, ok := errors.AsType[*hintedError](err); ok {
		return err
	}
	return &hintedError{err, fmt.Sprintf(format, args...)}
}

// failure is what a run that did not do its work says of itself.
type failure struct {
	// Kind is a kind of fault, "usage", or "local" for trouble on this machine.
	Kind    string            `json:"kind"`
	Message string            `json:"message"`
	Details map[string]string `json:"details,omitempty"`
	Hint    string            `json:"hint,omitempty"`
	status  int
}

func failureOf(err error) failure {
	f := failure{Kind: "local", Message: err.Error(), status: statusRefused}
	var (
		used    *usageError
		refused *fault.Fault
	)
	switch {
	case errors.As(err, &used):
		f.Kind, f.status = "usage", statusUsage
	case errors.As(err, &refused):
		f.Kind, f.Details = string(refused.Kind), refused.Details
		if fault.OutcomeOf(err) == fault.Unknown || refused.Kind == fault.Unavailable {
			f.status = statusUnavailable
		}
	case errors.Is(err, context.Canceled), errors.Is(err, context.DeadlineExceeded):
		f.Kind, f.status = string(fault.Unavailable), statusUnavailable
	}
	f.Hint = hintOf(err)
	return f
}

func hintOf(err error) string {
	if hinted, ok := errors.AsType[*hintedError](err); ok {
		return hinted.hint
	}
	switch {
	case errors.Is(err, fault.Unavailable) && fault.OutcomeOf(err) == fault.Unknown:
		return "it may have been done; see acquired cluster members"
	case errors.Is(err, fault.Unavailable):
		return "is an agent running? acquired cluster status"
	case errors.Is(err, fault.Unauthenticated):
		return "the cluster does not accept who you are: acquired context show"
	case errors.Is(err, fault.Internal):
		return "the log of the node says more"
	}
	return ""
}

// print writes the failure as text, or, where the output is for programs, as
// one line of JSON.
func (f failure) print(w io.Writer, output format) {
	if output == formatJSON {
		_ = json.NewEncoder(w).Encode(struct {
			Error failure `json:"error"`
		}{f})
		return
	}
	fmt.Fprintf(w, "acquired: %s\n", f.Message)
	if f.Hint != "" {
		fmt.Fprintf(w, "hint: %s\n", f.Hint)
	}
}
