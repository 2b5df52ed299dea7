package fsm

import (
	"slices"
	"testing"

	"acquired/fsm/command"
	"acquired/fsm/kv"
)

// WithDomain adds a domain to the machines that are made during one test, as a
// line in domains would for all. The test must not be parallel.
func WithDomain(t *testing.T, schema *kv.Schema, commands *command.Set) {
	t.Helper()
	before := domains
	t.Cleanup(func() { domains = before })
	domains = append(slices.Clone(before), domain{schema, commands})
}
