package jepsen

import (
	"context"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"
)

// newRandom gives the random choices of a test. ACQUIRED_SEED makes those of an
// earlier run again; what the processes make of them is their own affair.
func newRandom(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64()
	if given := os.Getenv("ACQUIRED_SEED"); given != "" {
		var err error
		if seed, err = strconv.ParseUint(given, 10, 64); err != nil {
			t.Fatalf("ACQUIRED_SEED: %v", err)
		}
	}
	t.Logf("ACQUIRED_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}

// lasts lets a time go by in which something is meant to happen, such as a fault.
func lasts(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}
