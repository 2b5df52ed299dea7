package jepsen

import (
	"fmt"
	"math/rand/v2"
	"path"
	"sync"
	"sync/atomic"
	"testing"

	"acquired/client"
	"acquired/jepsen/cluster"
	"acquired/jepsen/rights"
	pb "acquired/proto/acquired/v1"
	"acquired/server/pki"
)

const (
	racers       = 4
	raceAsset    = "RACE"
	raceAccounts = "/account/race"
	racePayee    = raceAccounts + "/payee"
	raceRoles    = "/role/race"
	raceUsers    = "/user/race"
	tagRole      = "applied-role"
)

// race is principals who use what is taken from them.
type race struct {
	cluster   *cluster.Cluster
	authority *pki.Authority
	operator  *client.Client
	history   *rights.History
	racers    []*racer

	stop    chan struct{}
	running sync.WaitGroup
	finish  func() // stops all and waits for them
}

// racer is a principal and what it needs: a role, which is applied to its holder,
// to spend from its account and to read it.
type racer struct {
	race      *race
	principal string
	// holder is the principal or its directory.
	holder        string
	role, account string
	// condition is that the role is applied.
	condition string
	// born is the index from which on the principal exists.
	born uint64
	// certified racers show a certificate, the others a token.
	certified bool

	// current is the newest credential of the racer and former the one before,
	// which is good for nothing any more, and is used all the same.
	current, former atomic.Pointer[credential]
}

// newRace makes principals with all that they need but their roles.
func newRace(t *testing.T, c *cluster.Cluster) *race {
	t.Helper()
	r := &race{cluster: c, authority: readAuthority(t, c), operator: c.Dial(), history: rights.NewHistory(), stop: make(chan struct{})}
	r.finish = sync.OnceFunc(func() { close(r.stop); r.running.Wait() })
	t.Cleanup(r.finish)
	changes := []*pb.Change{clause("/", "View")}
	paths := []string{racePayee}
	for i := range racers {
		p := &racer{
			race: r, principal: fmt.Sprintf("%s/%d/one", raceUsers, i), role: fmt.Sprintf("%s/%d", raceRoles, i),
			account: fmt.Sprintf("%s/payer-%d", raceAccounts, i), certified: i%2 == 1,
		}
		p.holder = p.principal
		if i >= racers/2 {
			p.holder = path.Dir(p.principal)
		}
		p.condition = "role of " + p.holder
		r.racers = append(r.racers, p)
		paths = append(paths, p.account)
		changes = append(changes, create(p.principal), create(p.role), clause(p.account, "Spend", p.role), clause(p.account, "Read", p.role))
	}
	_, err := r.operator.Ledger.CreateAsset(t.Context(), &pb.CreateAssetRequest{Code: raceAsset})
	for _, account := range paths {
		if err == nil {
			_, err = r.operator.Ledger.OpenAccount(t.Context(), &pb.OpenAccountRequest{Path: account, Asset: raceAsset, Overdraft: "unlimited"})
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	made, err := r.operator.Acl.Change(t.Context(), &pb.ChangeRequest{Changes: changes})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range r.racers {
		p.born = made.Index
	}
	return r
}

// begin starts, for each racer, who governs it and those who act for it: at each
// node one who spends and one who reads, and one of each who goes wherever the
// client leads it.
func (r *race) begin(t *testing.T, random *rand.Rand) {
	source := func() *rand.Rand { return rand.New(rand.NewPCG(random.Uint64(), 0)) }
	for _, p := range r.racers {
		ready, g := make(chan struct{}), &governor{racer: p, t: t, random: source()}
		r.running.Go(func() { g.run(ready) })
		for _, node := range r.cluster.Others() {
			address := r.cluster.Node(node).Address()
			for _, act := range []func(*user){(*user).transfer, (*user).read} {
				u := &user{racer: p, t: t, node: node, address: address, random: source(), act: act}
				r.running.Go(func() { u.run(ready) })
			}
		}
		roaming := &user{racer: p, t: t, node: "any", random: source(), act: (*user).transfer}
		r.running.Go(func() { roaming.run(ready) })
	}
}

func create(path string) *pb.Change {
	return &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: path, Parents: true}}}
}

func annotate(path string, a *pb.Annotation) *pb.Change {
	return &pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: path, Annotation: a, IfVersion: -1}}}
}

// clause lets those who hold one of the roles do the operation, or everybody.
func clause(path, operation string, roles ...string) *pb.Change {
	c := &pb.Clause{Operation: operation}
	if len(roles) > 0 {
		set := &pb.RoleSet{}
		for _, role := range roles {
			set.Roles = append(set.Roles, &pb.RoleName{Path: role})
		}
		c.Sets = []*pb.RoleSet{set}
	}
	return annotate(path, &pb.Annotation{Tag: "clause", Content: &pb.Annotation_Clause{Clause: c}})
}
