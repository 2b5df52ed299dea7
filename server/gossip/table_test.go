package gossip

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func process(node string, start int64, address string) record {
	return record{Version: recordVersion, Node: node, Start: start, Address: address}
}

func TestTableBelievesTheLatestProcess(t *testing.T) {
	early, late := process("a", 1, "early:1"), process("a", 2, "late:1")
	tests := map[string]struct {
		change func(*table)
		want   Node
	}{
		"later heard last":      {func(tb *table) { tb.heard(early); tb.heard(late) }, Node{"a", "late:1", true}},
		"later heard first":     {func(tb *table) { tb.heard(late); tb.heard(early) }, Node{"a", "late:1", true}},
		"former found dead":     {func(tb *table) { tb.heard(early); tb.heard(late); tb.lost(early) }, Node{"a", "late:1", true}},
		"later found dead":      {func(tb *table) { tb.heard(early); tb.heard(late); tb.lost(late) }, Node{"a", "early:1", true}},
		"both found dead":       {func(tb *table) { tb.heard(early); tb.heard(late); tb.lost(early); tb.lost(late) }, Node{"a", "late:1", false}},
		"clock set back":        {func(tb *table) { tb.heard(late); tb.lost(late); tb.heard(early) }, Node{"a", "early:1", true}},
		"address changed":       {func(tb *table) { tb.heard(early); tb.heard(process("a", 1, "other:1")) }, Node{"a", "other:1", true}},
		"stranger found dead":   {func(tb *table) { tb.heard(early); tb.lost(process("b", 1, "b:1")) }, Node{"a", "early:1", true}},
		"lost twice, and heard": {func(tb *table) { tb.heard(early); tb.lost(early); tb.lost(early); tb.heard(early) }, Node{"a", "early:1", true}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			tb := newTable()
			test.change(tb)
			if difference := cmp.Diff([]Node{test.want}, tb.list()); difference != "" {
				t.Errorf("nodes (-want +got):\n%s", difference)
			}
		})
	}
}

func TestTableTellsOfChangesOnly(t *testing.T) {
	tb := newTable()
	steps := []struct {
		name    string
		change  func()
		changed bool
	}{
		{"first heard", func() { tb.heard(process("a", 1, "a:1")) }, true},
		{"heard again", func() { tb.heard(process("a", 1, "a:1")) }, false},
		{"later process elsewhere", func() { tb.heard(process("a", 2, "a:2")) }, true},
		{"former process lost", func() { tb.lost(process("a", 1, "a:1")) }, false},
		{"last process lost", func() { tb.lost(process("a", 2, "a:2")) }, true},
		{"lost again", func() { tb.lost(process("a", 2, "a:2")) }, false},
		{"back", func() { tb.heard(process("a", 3, "a:2")) }, true},
	}
	for _, step := range steps {
		next := tb.next()
		step.change()
		changed := false
		select {
		case <-next:
			changed = true
		default:
		}
		if changed != step.changed {
			t.Errorf("%s: changed = %v, want %v", step.name, changed, step.changed)
		}
	}
}

func TestTableIsBounded(t *testing.T) {
	tb := newTable()
	for i := range maxNodes {
		r := process(fmt.Sprintf("n%d", i), 1, "a:1")
		if err := tb.admits(r); err != nil {
			t.Fatalf("node %d: %v", i, err)
		}
		tb.heard(r)
	}
	if err := tb.admits(process("one-more", 1, "a:1")); err == nil {
		t.Errorf("node %d is admitted, want none beyond %d", maxNodes+1, maxNodes)
	}

	for i := range maxProcesses - 1 {
		r := process("n0", int64(i+2), "a:1")
		if err := tb.admits(r); err != nil {
			t.Fatalf("process %d: %v", i+2, err)
		}
		tb.heard(r)
	}
	if err := tb.admits(process("n0", 1000, "a:1")); err == nil {
		t.Errorf("process %d is admitted, want none beyond %d", maxProcesses+1, maxProcesses)
	}
	if err := tb.admits(process("n0", 1, "a:1")); err != nil {
		t.Errorf("process known: %v, want it admitted", err)
	}
	tb.lost(process("n0", 1, "a:1"))
	if err := tb.admits(process("n0", 1000, "a:1")); err != nil {
		t.Errorf("process in place of one lost: %v, want it admitted", err)
	}
}
