package jepsen

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/metadata"

	"acquired/client"
	"acquired/jepsen/rights"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

const (
	shortestHold, longestHold = 100 * time.Millisecond, 300 * time.Millisecond
	shortestGap, longestGap   = 50 * time.Millisecond, 150 * time.Millisecond
	// governWithin is longer than the longest time without a leader.
	governWithin = time.Minute
	// roleUnique is that of the annotation that applies the role.
	roleUnique = 1
)

// credential is what a racer shows: that it is good is a condition.
type credential struct {
	condition string
	client    *client.Client
	session   string // empty is a certificate
	// issued is when a certificate says that it was issued.
	issued time.Time
}

// governor gives a racer what it needs and takes it away, one thing at a time. It
// alone does, so that it knows at which index what holds.
type governor struct {
	racer  *racer
	t      *testing.T
	random *rand.Rand
	// epoch is the index from which on what is issued now can be good.
	epoch uint64
	// issued counts credentials.
	issued int
}

// run closes ready when the racer has its first credential.
func (g *governor) run(ready chan<- struct{}) {
	g.epoch = g.racer.born
	err := errors.Join(g.issue(), g.applyRole(true))
	close(ready)
	for err == nil {
		g.lasts(shortestHold, longestHold)
		select {
		case <-g.racer.race.stop:
			return
		default:
		}
		err = g.takeAndGiveBack()
	}
	if g.t.Context().Err() == nil {
		g.t.Errorf("govern %s: %v", g.racer.principal, err)
	}
}

func (g *governor) lasts(from, to time.Duration) {
	lasts(g.t.Context(), from+time.Duration(g.random.Int64N(int64(to-from))))
}

func (g *governor) takeAndGiveBack() error {
	take := g.random.IntN(4)
	switch {
	case take < 2:
		if err := g.applyRole(false); err != nil {
			return err
		}
		g.lasts(shortestGap, longestGap)
		return g.applyRole(true)
	case take == 2 && !g.racer.certified:
		if err := g.revoke(g.racer.current.Load().session); err != nil {
			return err
		}
	default:
		// A certificate is revoked with what was issued until that moment.
		lasts(g.t.Context(), time.Until(g.racer.current.Load().issued))
		if err := g.revoke(""); err != nil {
			return err
		}
	}
	g.lasts(shortestGap, longestGap)
	return g.issue()
}

// applyRole applies the role of the racer or takes it.
func (g *governor) applyRole(apply bool) error {
	p := g.racer
	change := annotate(p.holder, &pb.Annotation{Tag: tagRole, Unique: roleUnique, Content: &pb.Annotation_Role{Role: &pb.RoleName{Path: p.role}}})
	if !apply {
		change = &pb.Change{Change: &pb.Change_Unannotate{Unannotate: &pb.Unannotate{Path: p.holder, Tag: tagRole, Unique: roleUnique, IfVersion: -1}}}
	}
	call := p.race.history.Now()
	ctx, cancel := g.patient()
	defer cancel()
	// The client sends a change of unknown outcome again, under the same request
	// id, until it has the answer: that of the first time.
	answer, err := p.race.operator.Acl.Change(ctx, &pb.ChangeRequest{Changes: []*pb.Change{change}})
	if err != nil {
		return err
	}
	g.turned(p.condition, answer.Index, apply, call)
	return nil
}

// revoke revokes a session, or with "" everything that was issued.
func (g *governor) revoke(session string) error {
	call := g.racer.race.history.Now()
	ctx, cancel := g.patient()
	defer cancel()
	answer, err := g.racer.race.operator.Identity.Revoke(ctx, &pb.RevokeRequest{Principal: g.racer.principal, Session: session})
	if err != nil {
		return err
	}
	if session == "" {
		g.epoch = answer.Index
	}
	// All that the racer had before was revoked already.
	g.turned(g.racer.current.Load().condition, answer.Index, false, call)
	return nil
}

func (g *governor) turned(condition string, index uint64, holds bool, call time.Duration) {
	h := g.racer.race.history
	h.Turned(rights.Turn{Condition: condition, Index: index, Holds: holds, Call: call, Return: h.Now()})
}

func (g *governor) patient() (context.Context, context.CancelFunc) {
	return context.WithTimeout(g.t.Context(), governWithin)
}

// issue gives the racer a new credential. From then on it shows no other, but for
// the one before.
func (g *governor) issue() error {
	p := g.racer
	g.issued++
	c := &credential{condition: fmt.Sprintf("credential %d of %s", g.issued, p.principal)}
	prove, from := g.vouch, g.epoch
	if p.certified {
		// A certificate that was made after a revocation is good also where that is
		// not known yet.
		prove, from = g.certify, p.born
	}
	call := p.race.history.Now()
	config, err := prove(c)
	if err != nil {
		return err
	}
	if c.client, err = g.dial(config); err != nil {
		return err
	}
	g.t.Cleanup(func() { c.client.Close() })
	g.turned(c.condition, from, true, call)
	last := p.former.Swap(p.current.Load())
	p.current.Store(c)
	if last != nil {
		last.client.Close()
	}
	return nil
}

// vouch gets a token for the racer from any node.
func (g *governor) vouch(c *credential) (client.Config, error) {
	ctx, cancel := g.patient()
	defer cancel()
	var header metadata.MD
	vouched, err := g.racer.race.operator.Identity.Vouch(ctx, &pb.VouchRequest{Subject: g.racer.principal}, grpc.Header(&header))
	if err != nil {
		return client.Config{}, err
	}
	if index := indexOf(header); index < g.epoch {
		return client.Config{}, fmt.Errorf("a credential was issued from index %d, behind a revocation at %d", index, g.epoch)
	}
	c.session = vouched.Session
	config := g.anyone()
	config.Token = vouched.Token
	return config, nil
}

// certify makes a certificate for the racer that is newer than the revocation of
// all before. Certificates say in full seconds when they were issued.
func (g *governor) certify(c *credential) (client.Config, error) {
	c.issued = time.Now().Truncate(time.Second)
	if g.epoch != g.racer.born {
		c.issued = c.issued.Add(time.Second)
	}
	// It is dated back by a minute, and not good before its date.
	lasts(g.t.Context(), time.Until(c.issued))
	pair, err := g.racer.race.authority.IssuePrincipal(g.racer.principal, c.issued.Add(time.Minute))
	config := g.anyone()
	config.Certificate, config.Key = pair.CertificatePEM, pair.KeyPEM
	return config, err
}

// anyone is the configuration of a client who shows nothing.
func (g *governor) anyone() client.Config {
	config := g.racer.race.cluster.Config()
	config.Certificate, config.Key = nil, nil
	return config
}

// dial makes a client. A node that does not know yet what the credential stands
// on refuses it.
func (g *governor) dial(config client.Config) (*client.Client, error) {
	ctx, cancel := g.patient()
	defer cancel()
	for {
		c, err := client.Dial(ctx, config)
		if !errors.Is(err, fault.Unauthenticated) || ctx.Err() != nil {
			return c, err
		}
		lasts(ctx, pace)
	}
}
