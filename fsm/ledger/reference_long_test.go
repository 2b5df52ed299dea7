package ledger_test

import (
	"fmt"
	"os"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
)

// longHistory is of how many steps the one long history is at least.
const longHistory = 2000

// TestAgreesOverALongHistory is TestAgreesOnWhoMay in one history of thousands of
// steps, for what is met only once there is much, with ACQUIRED_LONG=1 only.
func TestAgreesOverALongHistory(t *testing.T) {
	if os.Getenv("ACQUIRED_LONG") != "1" {
		t.Skip("ACQUIRED_LONG is not 1")
	}
	t.Parallel()
	met := make(happened)
	// Check makes a hundred runs, and one is enough here. What it tries again of one
	// that failed must be long too, or it cannot tell what failed.
	made, failed := false, false
	rapid.Check(t, func(t *rapid.T) {
		if made {
			return
		}
		again := failed
		failed = true
		r := newReferenceRun(t, met)
		r.addAlice()
		for steps := 0; steps < longHistory; {
			t.Repeat(map[string]func(*rapid.T){"": r.compareAll, "step": func(t *rapid.T) {
				if r.step(t); steps%10 == 0 {
					r.tend(t)
				}
				steps++
			}})
		}
		r.end(t)
		made = !again
	})
	met.check(t, "refused as denied", "replaced")
}

// tend keeps a long history going, in which at random more and more accounts are
// closed, frozen, and at limits at which nothing more can be done with them.
func (r *referenceRun) tend(t *rapid.T) {
	a := r.draw(t)
	var open int
	for _, p := range a.paths() {
		if r.plain.accounts[r.plain.at[p]].state != "closed" {
			open++
		}
	}
	if open < len(plainBanks)+len(plainPlaces) {
		req := a.openRequest()
		req.Path = fmt.Sprint("/account/a/", len(r.plain.accounts))
		r.send(t, r.openAccount(req))
		return
	}
	path := a.path("tended", "")
	if frozen := a.frozen(); len(frozen) > 0 {
		path = one(a, "frozen", frozen...)
	}
	r.send(t, r.changeAccount(&pb.ChangeAccountRequest{
		Path: path, Frozen: proto.Bool(false), Ceiling: proto.String(""), DailyLimit: proto.String(""), Overdraft: proto.String(ledger.Unlimited),
	}))
}
