package cluster

import (
	"bufio"
	"context"
	"net/http"
	"regexp"
	"strconv"
	"strings"
	"time"
)

// askTimeout is how long a node may take to say whether it leads; a process
// that is stopped does not answer at all.
const askTimeout = 500 * time.Millisecond

// ActingLeader waits for a node that says of itself that it leads, and gives it;
// of several, that of the highest term. Unlike Leader it does not believe what
// nodes say of each other, who may not have noticed yet that a leader is gone.
func (c *Cluster) ActingLeader() (leader *Node) {
	c.t.Helper()
	c.eventually(time.Minute, func(ctx context.Context) string {
		if leader = c.askWhoLeads(ctx); leader == nil {
			return "no node says that it leads"
		}
		return ""
	})
	return leader
}

func (c *Cluster) askWhoLeads(ctx context.Context) *Node {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	type claim struct {
		node *Node
		term float64
	}
	claims := make(chan claim, len(c.nodes))
	for _, n := range c.nodes {
		go func() {
			gauges, err := n.Gauges(ctx)
			if err != nil || gauges["acquired_leader"] == 0 {
				claims <- claim{}
				return
			}
			claims <- claim{n, gauges["acquired_term"]}
		}()
	}
	var best claim
	for range c.nodes {
		if other := <-claims; other.term > best.term {
			best = other
		}
	}
	return best.node
}

// Gauges gives the metrics of the node that have no labels, by name.
func (n *Node) Gauges(ctx context.Context) (map[string]float64, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.HTTP()+"/metrics", nil)
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	gauges := make(map[string]float64)
	lines := bufio.NewScanner(res.Body)
	for lines.Scan() {
		name, value, _ := strings.Cut(lines.Text(), " ")
		if number, err := strconv.ParseFloat(value, 64); err == nil {
			gauges[name] = number
		}
	}
	return gauges, lines.Err()
}

// began is what a node logs when it begins to lead.
var began = regexp.MustCompile(`msg="leadership changed" .*leader=true term=(\d+)`)

// Elections gives how many terms have had a leader, as far as the nodes logged it.
func (c *Cluster) Elections() int {
	terms := make(map[string]bool)
	for _, n := range c.nodes {
		for _, match := range began.FindAllSubmatch(n.Log(), -1) {
			terms[string(match[1])] = true
		}
	}
	return len(terms)
}
