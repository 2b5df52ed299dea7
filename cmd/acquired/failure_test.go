package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"

	"acquired/proto/fault"
)

func TestFailureOf(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		err    error
		status int
		kind   string
	}{
		{"usage", usage("wrong"), 2, "usage"},
		{"usage of a fault", &usageError{fault.Invalid.New("bad name")}, 2, "usage"},
		{"refused", fault.Insufficient.New("too little"), 1, "insufficient"},
		{"refused, wrapped", fmt.Errorf("charge: %w", fault.Conflict.New("other")), 1, "conflict"},
		{"not applied", fault.Unserved(fault.Definite, "no leader"), 3, "unavailable"},
		{"unknown", fault.Unserved(fault.Unknown, "lost"), 3, "unavailable"},
		{"internal of unknown outcome", fault.Internal.New("broken"), 3, "internal"},
		{"internal, not applied", fault.Internal.New("broken").With("outcome", "definite"), 1, "internal"},
		{"interrupted", fmt.Errorf("read: %w", context.Canceled), 3, "unavailable"},
		{"this machine", errors.New("disk full"), 1, "local"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			got := failureOf(test.err)
			if got.status != test.status || got.Kind != test.kind {
				t.Errorf("got status %d and kind %q, want %d and %q", got.status, got.Kind, test.status, test.kind)
			}
		})
	}
}

func TestFailurePrint(t *testing.T) {
	t.Parallel()
	err := withHint(fault.NotFound.New("no asset \"USD\"").With("asset", "USD"), "acquired ledger create-asset USD --scale 2")
	tests := []struct {
		form format
		want string
	}{
		{formatTable, "acquired: no asset \"USD\"\nhint: acquired ledger create-asset USD --scale 2\n"},
		{formatJSON, `{"error":{"kind":"not_found","message":"no asset \"USD\"","details":{"asset":"USD"},` +
			`"hint":"acquired ledger create-asset USD --scale 2"}}` + "\n"},
	}
	for _, test := range tests {
		var got bytes.Buffer
		failureOf(err).print(&got, test.form)
		if diff := cmp.Diff(test.want, got.String()); diff != "" {
			t.Errorf("%s differs (-want +got):\n%s", test.form, diff)
		}
	}
}

// A write of unknown outcome names the request id that ends the doubt; a
// definite one does not suggest that there is any.
func TestRequestHint(t *testing.T) {
	t.Parallel()
	request := requestFlag{id: "abc"}
	want := "it may have been applied; run the same command again with --request-id abc"
	if got := hintOf(request.explain(fault.Unserved(fault.Unknown, "lost"))); got != want {
		t.Errorf("unknown outcome: got hint %q, want %q", got, want)
	}
	for _, err := range []error{fault.Unserved(fault.Definite, "no leader"), fault.Denied.New("no")} {
		if got := hintOf(request.explain(err)); got == want {
			t.Errorf("%v: got hint %q, want another", err, got)
		}
	}
	if err := request.explain(nil); err != nil {
		t.Errorf("no error: got %v, want nil", err)
	}
}
