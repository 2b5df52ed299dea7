//go:build race

package server_test

import "runtime"

// On more than one processor the race detector now and then ends a process in
// which timers of one bubble of virtual time fire at once: see
// https://go.dev/issue/78156.
func init() { runtime.GOMAXPROCS(1) }
