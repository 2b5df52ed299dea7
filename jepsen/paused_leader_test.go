package jepsen

import (
	"path/filepath"
	"testing"
	"time"

	"acquired/jepsen/check"
	"acquired/jepsen/cluster"
)

const (
	// calm is before each pause, and hot after it.
	calm = time.Second
	hot  = 500 * time.Millisecond
	// A pause is longer than an election takes.
	shortestPause = 2500 * time.Millisecond
	longestPause  = 4500 * time.Millisecond

	judgeWithin = 2 * time.Minute
)

// TestPausedLeader stops the process of whoever leads for longer than an
// election takes, and lets it go on, while processes at every node add to
// counters and read them. A leader that slept through the election of another
// must not answer a latest read from what it has.
func TestPausedLeader(t *testing.T) {
	t.Parallel()
	random, pauses := newRandom(t), rounds(4, 40)
	c := cluster.Start(t, cluster.Options{})
	w := startWorkload(t, c, random)
	elections := c.Elections()
	for range pauses {
		lasts(t.Context(), calm)
		leader := c.ActingLeader()
		resumed := w.history.Begin(leader.ID, "paused")
		leader.Pause()
		lasts(t.Context(), shortestPause+time.Duration(random.Int64N(int64(longestPause-shortestPause))))
		w.hot.Store(&leader.ID)
		resumed()
		leader.Resume()
		lasts(t.Context(), hot)
		w.hot.Store(nil)
		for _, n := range c.Nodes() {
			n.WaitReady(soon)
		}
	}
	elections = c.Elections() - elections
	w.finish(t, c)
	t.Logf("%d pauses, %d elections", pauses, elections)
	if elections < pauses/2 {
		t.Errorf("got %d elections in %d pauses, want at least half as many", elections, pauses)
	}
	wantCoverage(t, c, check.Cover(w.history.Operations(), w.history.Faults(), hot))
	wantLinearizable(t, w)
	wantSound(t, c)
}

// wantLinearizable fails the test unless one counter each explains the history,
// and then leaves a page on which to see why.
func wantLinearizable(t *testing.T, w *workload) {
	t.Helper()
	verdict := check.Judge(w.history.Operations(), w.history.Faults(), judgeWithin)
	t.Logf("%d operations on %d counters, %d of unknown outcome: %s", verdict.Operations, verdict.Counters, verdict.Unknown, verdict.Result)
	if err := verdict.Err(); err != nil {
		t.Errorf("the history is not linearizable:\n%v", err)
		if err := verdict.Draw(filepath.Join(w.dir, "history.html")); err != nil {
			t.Errorf("draw the history: %v", err)
		}
	}
	if err := w.history.Err(); err != nil {
		t.Errorf("write the history: %v", err)
	}
}

// wantCoverage fails a test that had no occasion to fail.
func wantCoverage(t *testing.T, c *cluster.Cluster, got check.Coverage) {
	t.Helper()
	t.Logf("%+v", got)
	during := 0
	for id := range c.Nodes() {
		if n := got.Answered[id]; n.Adds == 0 || n.Reads == 0 {
			t.Errorf("%s answered %+v, want additions and reads", id, n)
		}
		if n := got.DuringFaults[id]; n.Adds > 0 && n.Reads > 0 {
			during++
		}
	}
	// One node may have led, and been paused, each time.
	if all := len(c.Nodes()); during < all-1 {
		t.Errorf("%d of %d nodes answered additions and reads while the leader was paused, want all but one at least", during, all)
	}
	if got.Concurrent == 0 {
		t.Error("no read overlaps an addition: any order would do")
	}
	if got.Waiting == 0 || got.Fresh == 0 {
		t.Errorf("got %d reads that waited for the leader to go on and %d right after, want some of both", got.Waiting, got.Fresh)
	}
}
