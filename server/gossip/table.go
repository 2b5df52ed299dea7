package gossip

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"sync"
)

const (
	maxNodes = 256
	// A node that crashes again and again leaves a process each time, which
	// counts until it is found dead, within seconds.
	maxProcesses = 16
)

// A table is what is known of the nodes.
type table struct {
	mu      sync.Mutex
	nodes   map[string]*entry
	changed chan struct{}
}

// An entry is what is known of one node.
type entry struct {
	address   string
	processes map[int64]string // start to address, of the processes that answer
}

func (e *entry) alive() bool { return len(e.processes) > 0 }

func newTable() *table {
	return &table{nodes: make(map[string]*entry), changed: make(chan struct{})}
}

// admits answers why there is no room for the record, nil if there is.
func (t *table) admits(r record) error {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, known := t.nodes[r.Node]
	if !known {
		if len(t.nodes) >= maxNodes {
			return fmt.Errorf("%d nodes are known: there is no room for more", maxNodes)
		}
		return nil
	}
	if _, known := e.processes[r.Start]; !known && len(e.processes) >= maxProcesses {
		return fmt.Errorf("node %q has %d processes: there is no room for more", r.Node, maxProcesses)
	}
	return nil
}

// heard notes that the process, admitted before, answers.
func (t *table) heard(r record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, known := t.nodes[r.Node]
	if !known {
		e = &entry{processes: make(map[int64]string)}
		t.nodes[r.Node] = e
	}
	t.update(e, func() { e.processes[r.Start] = r.Address })
}

// lost notes that the process answers no more.
func (t *table) lost(r record) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if e, known := t.nodes[r.Node]; known {
		t.update(e, func() { delete(e.processes, r.Start) })
	}
}

// update changes the processes of the entry, then what follows from them. The
// address of a node whose last process is lost stays.
func (t *table) update(e *entry, change func()) {
	address, alive := e.address, e.alive()
	change()
	if e.alive() {
		newest := slices.Max(slices.Collect(maps.Keys(e.processes)))
		e.address = e.processes[newest]
	}
	if e.address != address || e.alive() != alive {
		close(t.changed)
		t.changed = make(chan struct{})
	}
}

func (t *table) address(node string) (string, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	e, known := t.nodes[node]
	if !known {
		return "", false
	}
	return e.address, true
}

func (t *table) list() []Node {
	t.mu.Lock()
	defer t.mu.Unlock()
	nodes := make([]Node, 0, len(t.nodes))
	for id, e := range t.nodes {
		nodes = append(nodes, Node{ID: id, Address: e.address, Alive: e.alive()})
	}
	slices.SortFunc(nodes, func(a, b Node) int { return cmp.Compare(a.ID, b.ID) })
	return nodes
}

func (t *table) next() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.changed
}
