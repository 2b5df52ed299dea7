package cluster

import (
	"os"
	"path/filepath"

	"go.yaml.in/yaml/v3"
)

// ContextVia is Context with the addresses in another order: the command line
// calls the node first, and the others only when that does not answer.
func (c *Cluster) ContextVia(node string) string {
	c.t.Helper()
	fields := make(map[string]any)
	b, err := os.ReadFile(c.Context())
	if err == nil {
		err = yaml.Unmarshal(b, &fields)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	first := c.nodes[node].Address()
	addresses := []any{first}
	for _, address := range fields["addresses"].([]any) {
		if address != first {
			addresses = append(addresses, address)
		}
	}
	fields["addresses"] = addresses
	path := filepath.Join(c.t.TempDir(), "via-"+node+".context")
	b, err = yaml.Marshal(fields)
	if err == nil {
		err = os.WriteFile(path, b, 0o600)
	}
	if err != nil {
		c.t.Fatal(err)
	}
	return path
}
