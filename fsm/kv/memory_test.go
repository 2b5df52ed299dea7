package kv_test

import (
	"testing"

	"acquired/fsm/kv"
	"acquired/fsm/kv/kvtest"
)

func TestMemory(t *testing.T) {
	t.Parallel()
	kvtest.TestEngine(t, func(*testing.T) kv.Engine { return kv.NewMemory() })
}
