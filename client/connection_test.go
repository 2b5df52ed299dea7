package client

import (
	"fmt"
	"testing"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"

	"acquired/proto/fault"
)

// testNodes are nodes to whom nobody speaks.
func testNodes(t *testing.T, addresses ...string) *nodes {
	t.Helper()
	s, err := newNodes(addresses, func(address string) (*grpc.ClientConn, error) {
		return grpc.NewClient("passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := s.close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return s
}

func pick(t *testing.T, s *nodes, hint string) *node {
	t.Helper()
	n, err := s.pick(hint)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func wantPreferred(t *testing.T, s *nodes, want string) {
	t.Helper()
	n := pick(t, s, "")
	s.release(n)
	if n.address != want {
		t.Errorf("calls begin at %s, want %s", n.address, want)
	}
}

func TestNodesGoRound(t *testing.T) {
	s := testNodes(t, "n1:1", "n2:1", "n1:1", "n3:1")
	wantPreferred(t, s, "n1:1")
	first := pick(t, s, "")
	s.failed(first)
	wantPreferred(t, s, "n2:1")
	s.failed(first) // of another call: those that go on are not sent further
	wantPreferred(t, s, "n2:1")
	for _, want := range []string{"n3:1", "n1:1"} {
		s.failed(pick(t, s, ""))
		wantPreferred(t, s, want)
	}
	s.answered(pick(t, s, "n3:1"))
	wantPreferred(t, s, "n3:1")
}

func TestHintedNodesAreLearned(t *testing.T) {
	s := testNodes(t, "n1:1")
	if n := pick(t, s, "n2:1"); n.address != "n2:1" {
		t.Errorf("hint n2:1 leads to %s", n.address)
	}
	for _, nonsense := range []string{"n2", ":1", "n2:1\n"} {
		if n := pick(t, s, nonsense); n.address != "n1:1" {
			t.Errorf("hint %q leads to %s, want the preferred n1:1", nonsense, n.address)
		}
	}
	s.failed(pick(t, s, ""))
	wantPreferred(t, s, "n2:1")
}

func TestLearnedNodesAreBounded(t *testing.T) {
	s := testNodes(t, "n1:1")
	var busy []*node
	for i := range maxLearned {
		n := pick(t, s, fmt.Sprintf("learned%d:1", i))
		busy = append(busy, n)
	}
	if _, err := s.named("more:1"); fault.KindOf(err) != fault.Exhausted {
		t.Errorf("with all nodes in use another gives %v, want an exhausted fault", err)
	}
	if n := pick(t, s, "more:1"); n.address != "n1:1" {
		t.Errorf("with all nodes in use the hint leads to %s, want n1:1", n.address)
	}

	s.answered(busy[2])
	for _, n := range busy[2:5] {
		s.release(n)
	}
	// The oldest that is neither preferred nor in use goes.
	if n := pick(t, s, "more:1"); n.address != "more:1" {
		t.Errorf("hint more:1 leads to %s", n.address)
	}
	for address, want := range map[string]bool{"n1:1": true, "learned2:1": true, "learned3:1": false, "learned4:1": true, "more:1": true} {
		if got := s.find(address) != nil; got != want {
			t.Errorf("%s is known: %t, want %t", address, got, want)
		}
	}
	if got, want := len(s.ring), 1+maxLearned; got != want {
		t.Errorf("%d nodes are known, want %d", got, want)
	}
	s.answered(busy[3])
	wantPreferred(t, s, "learned2:1")
}
