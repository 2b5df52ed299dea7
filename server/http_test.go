package server_test

import (
	"io"
	"net/http"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	pb "acquired/proto/acquired/v1"
	"acquired/server"
	"acquired/server/servertest"
)

// withHTTP is an Options.Configure.
func withHTTP(c *server.Config) { c.HTTPListen = c.Node + ":7402" }

// get asks a node over HTTP.
func get(t *testing.T, cluster *servertest.Cluster, node, path string) (status int, body string) {
	t.Helper()
	transport := &http.Transport{DialContext: dialContext(cluster, node), DisableKeepAlives: true}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, "http://"+node+":7402"+path, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res.StatusCode, string(b)
}

func wantStatus(t *testing.T, cluster *servertest.Cluster, node, path string, want int, says string) {
	t.Helper()
	if got, body := get(t, cluster, node, path); got != want || !strings.Contains(body, says) {
		t.Errorf("%s of %s is %d %q, want %d %q", path, node, got, body, want, says)
	}
}

// TestHealthOverHTTP: a node that works is healthy, one that can serve is ready.
func TestHealthOverHTTP(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Configure: withHTTP})
		c := cluster.Dial()
		for _, id := range cluster.IDs() {
			wantStatus(t, cluster, id, "/healthz", http.StatusOK, "ok")
			wantStatus(t, cluster, id, "/readyz", http.StatusOK, "ok")
		}

		lonely := leaderOf(t, c)
		cluster.Cut(lonely)
		wait(t, 3*time.Second)
		wantStatus(t, cluster, lonely, "/healthz", http.StatusOK, "ok")
		wantStatus(t, cluster, lonely, "/readyz", http.StatusServiceUnavailable, "no leader")
		cluster.Heal(lonely)
		cluster.WaitReady(lonely)
		wantStatus(t, cluster, lonely, "/readyz", http.StatusOK, "ok")

		// A new cluster, whose nodes come one after another.
		for _, id := range cluster.IDs() {
			cluster.StopNode(id)
			cluster.Wipe(id)
		}
		for i, id := range cluster.IDs() {
			cluster.StartNode(id)
			if i < 2 {
				wantStatus(t, cluster, id, "/healthz", http.StatusOK, "ok")
				wantStatus(t, cluster, id, "/readyz", http.StatusServiceUnavailable, "not part of a cluster yet")
			}
		}
		for _, id := range cluster.IDs() {
			cluster.WaitReady(id)
			wantStatus(t, cluster, id, "/readyz", http.StatusOK, "ok")
		}
		wantStatus(t, cluster, "node1", "/", http.StatusNotFound, "")
	})
}

// metric gives the sum over the lines of a metric that have all of the parts.
func metric(t *testing.T, cluster *servertest.Cluster, node, name string, parts ...string) (sum float64) {
	t.Helper()
	_, body := get(t, cluster, node, "/metrics")
	for line := range strings.Lines(body) {
		line = strings.TrimSpace(line)
		has := func(part string) bool { return strings.Contains(line, part) }
		named, _, _ := strings.Cut(strings.Fields(line + " ")[0], "{")
		if named != name || slices.ContainsFunc(parts, func(part string) bool { return !has(part) }) {
			continue
		}
		value, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		if err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		sum += value
	}
	return sum
}

// TestMetrics: a node has the metrics that people are told of, no others, and
// they say what happened.
func TestMetrics(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Configure: withHTTP})
		c := cluster.Dial()
		seed(t, c, "/account/a")
		leader := leaderOf(t, c)
		if _, err := pay(t.Context(), cluster.Dial(leader), "t1", "/account/none", "1"); err == nil {
			t.Fatal("a payment to nobody was accepted")
		}
		documented, exposed := documentedMetrics(t), exposedMetrics(t, cluster, leader)
		if !slices.Equal(documented, exposed) {
			t.Errorf("the metrics are\n%s\ndocs/operations.md names\n%s", strings.Join(exposed, "\n"), strings.Join(documented, "\n"))
		}
		wait(t, time.Second) // all nodes have applied it
		leaders := 0.0
		for _, id := range cluster.IDs() {
			leaders += metric(t, cluster, id, "acquired_leader")
			if got := metric(t, cluster, id, "acquired_commands_total", `command="ledger.transfer"`, `kind="not_found"`); got != 1 {
				t.Errorf("%s counts %v transfers to nothing, want 1", id, got)
			}
			if got := metric(t, cluster, id, "acquired_holds_overdue_seconds"); got != 0 {
				t.Errorf("%s says that a hold is overdue for %v s, want 0", id, got)
			}
			if got, want := metric(t, cluster, id, "acquired_applied_index"), float64(c.Index()); got < want {
				t.Errorf("the applied index of %s is %v, want %v or more", id, got, want)
			}
		}
		if leaders != 1 {
			t.Errorf("%v nodes count as the leader, want 1", leaders)
		}
		if calls := metric(t, cluster, leader, "acquired_call_seconds_count", `method="/acquired.v1.Batch/Execute"`); calls < 4 {
			t.Errorf("the leader counts %v batches, want 4 or more", calls)
		}
	})
}

var documentedMetric = regexp.MustCompile("(?m)^\\| `(acquired_[a-z_]+)` \\|")

func documentedMetrics(t *testing.T) (names []string) {
	t.Helper()
	text, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range documentedMetric.FindAllSubmatch(text, -1) {
		names = append(names, string(found[1]))
	}
	slices.Sort(names)
	return names
}

var exposedMetric = regexp.MustCompile(`(?m)^# TYPE (acquired_[a-z_]+) `)

func exposedMetrics(t *testing.T, cluster *servertest.Cluster, node string) (names []string) {
	t.Helper()
	_, body := get(t, cluster, node, "/metrics")
	for _, found := range exposedMetric.FindAllStringSubmatch(body, -1) {
		names = append(names, found[1])
	}
	slices.Sort(names)
	return names
}

// TestHoldsOverdue: while nothing can be written, a node says for how long a hold that is
// due has waited.
func TestHoldsOverdue(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Configure: withHTTP})
		c := cluster.Dial()
		seed(t, c, "/account/a")
		if _, err := pay(t.Context(), c, "t1", "/account/a", "1"); err != nil {
			t.Fatal(err)
		}
		_, err := c.Ledger.Op(t.Context(), &pb.OpRequest{Steps: []*pb.Step{{Step: &pb.Step_Hold{Hold: &pb.PlaceHold{
			Id: "h", Debit: "/account/a", Credit: "/account/bank", Amount: "1", LifetimeSeconds: 5,
		}}}}})
		if err != nil {
			t.Fatal(err)
		}
		ids := cluster.IDs()
		for _, id := range ids[1:] {
			cluster.StopNode(id)
		}
		wait(t, 65*time.Second)
		if got := metric(t, cluster, ids[0], "acquired_holds_overdue_seconds"); got < 55 || got > 60 {
			t.Errorf("a minute after a hold was due, it is overdue for %v s", got)
		}
		for _, id := range ids[1:] {
			cluster.StartNode(id)
		}
		wait(t, 30*time.Second)
		if got := metric(t, cluster, ids[0], "acquired_holds_overdue_seconds"); got != 0 {
			t.Errorf("with a leader again, a hold is overdue for %v s", got)
		}
	})
}
