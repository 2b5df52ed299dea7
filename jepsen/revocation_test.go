package jepsen

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"acquired/client"
	"acquired/jepsen/cluster"
	"acquired/jepsen/rights"
	pb "acquired/proto/acquired/v1"
)

// TestRevocation takes from principals what they need, again and again, and gives
// it back, while they spend and read through all nodes as fast as they can, and
// while whoever leads is killed. Nobody may be allowed at an index behind that of
// a revocation what was revoked there, on any node.
func TestRevocation(t *testing.T) {
	t.Parallel()
	random, kills := newRandom(t), rounds(5, 60)
	c := cluster.Start(t, cluster.Options{})
	r := newRace(t, c)
	r.begin(t, random)
	r.waitForBoth(t, func(got rights.Coverage) rights.Tally { return total(got.ByPrincipal) })
	elections := c.Elections()
	next := time.NewTicker(betweenKills)
	defer next.Stop()
	for range kills {
		<-next.C
		leader := c.ActingLeader()
		end := r.history.Begin()
		leader.Kill()
		leader.Start()
		c.ActingLeader()
		end()
	}
	r.waitForBoth(t, func(got rights.Coverage) rights.Tally { return got.After })
	r.finish()
	elections = c.Elections() - elections
	t.Logf("%d leaders killed, %d elections", kills, elections)
	if elections < kills/2 {
		t.Errorf("got %d elections after %d kills of a leader, want at least half as many: were they leaders?", elections, kills)
	}
	wantEvents(t, r)
	wantRevoked(t, r)
	wantContest(t, r)
	wantSound(t, c)
}

// waitForBoth waits until some uses, of those that the tally is about, were
// allowed and some refused.
func (r *race) waitForBoth(t *testing.T, of func(rights.Coverage) rights.Tally) {
	t.Helper()
	begun := r.history.Now()
	poll := time.NewTicker(100 * time.Millisecond)
	defer poll.Stop()
	for range poll.C {
		got := of(rights.Cover(nil, r.history.Uses(), r.history.Faults()))
		if got.Allowed >= 200 && got.Refused >= 50 {
			return
		}
		if waited := r.history.Now() - begun; t.Failed() || waited > soon {
			t.Fatalf("%+v after %s, want more of both", got, waited)
		}
	}
}

func total(tallies map[string]*rights.Tally) (all rights.Tally) {
	for _, tally := range tallies {
		all.Allowed += tally.Allowed
		all.Refused += tally.Refused
	}
	return all
}

// mostFindings is how many are shown.
const mostFindings = 20

func wantRevoked(t *testing.T, r *race) {
	t.Helper()
	findings := rights.Judge(r.history.Turns(), r.history.Uses())
	for _, finding := range findings[:min(len(findings), mostFindings)] {
		t.Error(finding)
	}
	if len(findings) > 0 {
		t.Errorf("%d answers contradict what was granted and revoked", len(findings))
	}
}

// wantContest fails a test that had no occasion to fail.
func wantContest(t *testing.T, r *race) {
	t.Helper()
	got := rights.Cover(r.history.Turns(), r.history.Uses(), r.history.Faults())
	t.Logf("%d uses: %+v before the kills, %+v during, %+v after", len(r.history.Uses()), got.Before, got.During, got.After)
	t.Logf("%d revocations: %d were felt, %d had commands under way, of %d these were answered both ways",
		got.Revocations, got.Felt, got.Contested, got.Raced)
	tallies := map[string]rights.Tally{"before the kills": got.Before, "during the kills": got.During, "after the kills": got.After}
	for _, by := range []map[string]*rights.Tally{got.ByNode, got.ByKind, got.ByPrincipal} {
		for key, tally := range by {
			tallies[key] = *tally
		}
	}
	for where, tally := range tallies {
		if tally.Allowed == 0 || tally.Refused == 0 {
			t.Errorf("%s: %+v, want some of both", where, tally)
		}
	}
	if want := len(r.racers) + len(r.history.Faults()); got.Felt < want || got.Contested < want || got.Raced == 0 {
		t.Errorf("of %d revocations %d were felt, %d contested and %d raced, want %d, %d and 1 at least",
			got.Revocations, got.Felt, got.Contested, got.Raced, want, want)
	}
}

// wantEvents compares the grants and revocations of roles with those that the
// cluster itself tells to who watches, from the beginning.
func wantEvents(t *testing.T, r *race) {
	t.Helper()
	type turn struct {
		Index uint64
		Holds bool
	}
	want := make(map[string][]turn)
	roles := make(map[string]string)
	for _, racer := range r.racers {
		roles[racer.holder] = racer.condition
	}
	for _, e := range r.events(t) {
		if condition := roles[e.Path]; condition != "" && e.Tag == tagRole {
			want[condition] = append(want[condition], turn{e.Index, e.What == "annotated"})
		}
	}
	got := make(map[string][]turn)
	for _, made := range r.history.Turns() {
		for _, racer := range r.racers {
			if made.Condition == racer.condition {
				got[made.Condition] = append(got[made.Condition], turn{made.Index, made.Holds})
			}
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("grants and revocations of roles as they are watched and as they were answered (-watched +answered):\n%s", diff)
	}
}

// events gives all changes of the tree below the folder of the racers, up to one
// that is made now.
func (r *race) events(t *testing.T) (all []*pb.Event) {
	t.Helper()
	last, err := r.operator.Acl.Change(t.Context(), &pb.ChangeRequest{Changes: []*pb.Change{create(raceUsers + "/last")}})
	if err != nil {
		t.Fatal(err)
	}
	stream, err := r.operator.Acl.Watch(client.WithRead(t.Context(), client.Latest), &pb.WatchRequest{Under: raceUsers})
	if err != nil {
		t.Fatal(err)
	}
	for {
		lot, err := stream.Recv()
		if err != nil {
			t.Fatalf("watch: %v", err)
		}
		all = append(all, lot.Events...)
		if lot.Index >= last.Index {
			return all
		}
	}
}
