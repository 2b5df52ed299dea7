package gossip

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"github.com/hashicorp/memberlist"

	"acquired/proto/fault"
)

const (
	recordVersion = 1
	maxNode       = 128
	// The longest host name, a colon and a port.
	maxAddress = 253 + 1 + 5
)

// A record is what the process of a node tells of it: the metadata that
// memberlist spreads, as JSON. A field may be added; a change of meaning needs
// another version, which the members of this one ignore.
type record struct {
	Version int    `json:"version"`
	Node    string `json:"node"`
	// Start is when the process started, in Unix nanoseconds. Of two processes
	// of one node the later one is believed.
	Start   int64  `json:"start"`
	Address string `json:"address"`
}

// member gives the name of the process in memberlist. The node's id alone would
// not do: memberlist keeps a name at its address until it has found the process
// there dead, so that a node killed and started elsewhere would go unheard.
func (r record) member() string {
	return r.Node + "/" + strconv.FormatInt(r.Start, 10)
}

func (r record) encode() ([]byte, error) {
	data, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode gossip record: %w", err)
	}
	if len(data) > memberlist.MetaMaxSize {
		return nil, fault.Invalid.New("node id and address make a gossip record of %d bytes: it must have at most %d", len(data), memberlist.MetaMaxSize)
	}
	return data, nil
}

// decodeRecord gives the record that the member sent, checked.
func decodeRecord(member *memberlist.Node) (record, error) {
	var r record
	if n := len(member.Meta); n > memberlist.MetaMaxSize {
		return r, fmt.Errorf("gossip record has %d bytes: it must have at most %d", n, memberlist.MetaMaxSize)
	}
	if err := json.Unmarshal(member.Meta, &r); err != nil {
		return r, fmt.Errorf("decode gossip record: %w", err)
	}
	if r.Version != recordVersion {
		return r, fmt.Errorf("gossip record has version %d: this node knows version %d", r.Version, recordVersion)
	}
	if err := checkNode(r.Node); err != nil {
		return r, err
	}
	if r.member() != member.Name {
		return r, fmt.Errorf("gossip record of %q comes from %q", r.member(), member.Name)
	}
	return r, checkAddress(r.Address)
}

func checkNode(node string) error {
	if n := len(node); n == 0 || n > maxNode {
		return fault.Invalid.New("node id has %d bytes: it must have 1 to %d", n, maxNode)
	}
	if strings.ContainsFunc(node, func(c rune) bool { return c <= ' ' || c > '~' }) {
		return fault.Invalid.New("node id %q has a character that is not visible ASCII", node)
	}
	return nil
}
