package server_test

import (
	"errors"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// exchange obtains a credential for the subject with one of somebody else.
func exchange(t *testing.T, cluster *servertest.Cluster, node, token, subject string, seconds int64) (*pb.Credential, error) {
	t.Helper()
	c := cluster.DialConfig(cluster.Bearer(token, node))
	defer c.Close()
	return c.Identity.Vouch(t.Context(), &pb.VouchRequest{Subject: subject, LifetimeSeconds: seconds})
}

// chain makes the principals PREFIX0 to PREFIX3, of which each vouches for the
// next and an operator for the first.
func chain(t *testing.T, cluster *servertest.Cluster, prefix string) (chain []*pb.Credential) {
	t.Helper()
	token := ""
	for i := range 4 {
		path := fmt.Sprint(prefix, i)
		first := workload(t, cluster, path, "View", "VouchFor")
		if token == "" {
			chain = append(chain, &pb.Credential{Token: first, Subject: path})
			token = first
			continue
		}
		next, err := exchange(t, cluster, cluster.IDs()[i%3], token, path, 0)
		if err != nil {
			t.Fatal(err)
		}
		chain = append(chain, next)
		token = next.Token
	}
	return chain
}

// TestVouchChain: a credential knows all who vouched, and ends with any of them.
func TestVouchChain(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		govern(t, cluster)
		all, operator := newBearers(t, cluster), cluster.Operator()

		links := chain(t, cluster, "/workload/whole")
		res, err := all.whoami(t.Context(), "node2", links[3].Token, client.Latest)
		want := []string{"/workload/whole2", "/workload/whole1", "/workload/whole0", "/user/operator"}
		if err != nil || !slices.Equal(res.Actors, want) || res.Method != "vouch" {
			t.Errorf("the last of the chain is %v (%v), want the actors %v", res, err, want)
		}
		if _, err := exchange(t, cluster, "node1", links[3].Token, "/workload/whole0", 0); !(answer{fault.Denied, "which is the most"}).is(err) {
			t.Errorf("a fifth actor: %v, want it denied", err)
		}

		for i := range links {
			links := chain(t, cluster, fmt.Sprint("/workload/broken", i, "-"))
			if _, err := operator.Identity.Revoke(t.Context(), &pb.RevokeRequest{Principal: links[i].Subject}); err != nil {
				t.Fatal(err)
			}
			for j, link := range links {
				when := fmt.Sprintf("link %d of a chain whose link %d was revoked", j, i)
				if j < i {
					all.wantGood(t, when, link.Token, link.Subject)
				} else {
					all.wantEnded(t, when, link.Token, "revoked")
				}
			}
		}
		links = chain(t, cluster, "/workload/session")
		if _, err := operator.Identity.Revoke(t.Context(), &pb.RevokeRequest{Principal: links[1].Subject, Session: links[1].Session}); err != nil {
			t.Fatal(err)
		}
		all.wantEnded(t, "the session of an actor was revoked", links[3].Token, "revoked")
		links = chain(t, cluster, "/workload/removed")
		cluster.Change(servertest.Remove(links[1].Subject))
		all.wantEnded(t, "an actor was removed", links[3].Token, "gone")

		// The operator is the first of every chain.
		links = chain(t, cluster, "/workload/operator")
		if _, err := operator.Identity.Revoke(t.Context(), &pb.RevokeRequest{Principal: "/user/operator"}); err != nil {
			t.Fatal(err)
		}
		all.wantEnded(t, "the operator was revoked", links[3].Token, "revoked")
		if _, err := operator.Identity.Whoami(t.Context(), &pb.WhoamiRequest{}); !(answer{fault.Unauthenticated, "revoked"}).is(err) {
			t.Errorf("an operator who was revoked: %v", err)
		}
	})
}

func TestWhoMayVouch(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Nodes: 1})
		govern(t, cluster)
		cluster.Principal("/user/team/alice")
		may := workload(t, cluster, "/workload/may", "View", "VouchFor")
		for _, test := range []struct {
			name, token, subject string
			seconds              int64
			want                 answer
		}{
			{"who may", may, "/user/team/alice", 60, served},
			{"who may not", workload(t, cluster, "/workload/viewer", "View"), "/user/team/alice", 0, answer{fault.Denied, "may not VouchFor /user/team/alice"}},
			{"who does not see", workload(t, cluster, "/workload/blind", "VouchFor"), "/user/team/alice", 0, answer{fault.NotFound, "/user/team/alice"}},
			{"for nobody", may, "/user/team/bob", 0, answer{fault.NotFound, "/user/team/bob"}},
			{"for a directory", may, "/user/team", 0, answer{fault.Conflict, "a directory, not a principal"}},
			{"for a role", may, "/role/may/view", 0, answer{fault.Invalid, "below /user or /workload"}},
			{"for too long", may, "/user/team/alice", 1801, answer{fault.Invalid, "1 to 1800"}},
		} {
			if _, err := exchange(t, cluster, "node1", test.token, test.subject, test.seconds); !test.want.is(err) {
				t.Errorf("%s: %v, want %v", test.name, err, test.want)
			}
		}
		own := cluster.Credential("/workload/may")
		wait(t, 20*time.Minute)
		vouched, err := exchange(t, cluster, "node1", own.Token, "/user/team/alice", 1800)
		if err != nil || vouched.ExpiresUnix != own.ExpiresUnix {
			t.Errorf("the credential ends at %d (%v), that of the voucher at %d", vouched.GetExpiresUnix(), err, own.ExpiresUnix)
		}
	})
}

// link is a credential of a chain, with what must hold of it.
type link struct {
	*pb.Credential
	// depth is how many vouched.
	depth int
	// of holds the epochs of the subject and of all who vouched.
	of map[string]int
}

// TestVouchProperty: however credentials are exchanged, none outlives the one it
// came from, and none is good once anybody in its chain was revoked.
func TestVouchProperty(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Nodes: 1})
		govern(t, cluster)
		const principals = 4
		for i := range principals {
			workload(t, cluster, fmt.Sprint("/workload/p", i), "View", "VouchFor")
		}
		all, epochs := newBearers(t, cluster), make(map[string]int)
		vouching := pb.NewIdentityClient(all.conns["node1"])
		good := func(l *link) bool {
			for p, epoch := range l.of {
				if epochs[p] != epoch {
					return false
				}
			}
			return time.Now().Unix() < l.ExpiresUnix
		}
		exchangeOne := func(rt *rapid.T, from *link, subject string) *link {
			req := &pb.VouchRequest{Subject: subject, LifetimeSeconds: rapid.Int64Range(1, 60).Draw(rt, "lifetime")}
			got, err := vouching.Vouch(withHeaders(t.Context(), bearer(from.Token)...), req)
			if wanted := good(from) && from.depth < 4; (err == nil) != wanted {
				rt.Fatalf("%s vouches for %s: %v, want an answer: %t", from.Subject, subject, err, wanted)
			}
			if err != nil {
				return nil
			}
			if got.ExpiresUnix > from.ExpiresUnix || got.ExpiresUnix > time.Now().Unix()+req.LifetimeSeconds {
				rt.Fatalf("it ends at %d, that of the voucher at %d, asked for %d s", got.ExpiresUnix, from.ExpiresUnix, req.LifetimeSeconds)
			}
			next := &link{got, from.depth + 1, map[string]int{subject: epochs[subject]}}
			for p, epoch := range from.of {
				if at, ok := next.of[p]; ok && at != epoch {
					rt.Fatalf("%s was revoked and vouched", p)
				}
				next.of[p] = epoch
			}
			return next
		}
		// A *testing.T does not tell its deadline in virtual time.
		rapid.Check(struct{ testing.TB }{t}, func(rt *rapid.T) {
			subject := rapid.Custom(func(rt *rapid.T) string {
				return fmt.Sprint("/workload/p", rapid.IntRange(0, principals-1).Draw(rt, "p"))
			})
			first := subject.Draw(rt, "first")
			links := []*link{{cluster.Credential(first), 1, map[string]int{first: epochs[first]}}}
			for range rapid.IntRange(1, 8).Draw(rt, "steps") {
				switch rapid.IntRange(0, 5).Draw(rt, "step") {
				case 0:
					p := subject.Draw(rt, "revoked")
					if _, err := cluster.Operator().Identity.Revoke(t.Context(), &pb.RevokeRequest{Principal: p}); err != nil {
						rt.Fatal(err)
					}
					epochs[p]++
				case 1:
					wait(t, time.Duration(rapid.Int64Range(1, 30).Draw(rt, "seconds"))*time.Second)
				default:
					if next := exchangeOne(rt, rapid.SampledFrom(links).Draw(rt, "from"), subject.Draw(rt, "subject")); next != nil {
						links = append(links, next)
					}
				}
			}
			for _, l := range links {
				_, err := all.whoami(t.Context(), "node1", l.Token, client.Seen)
				if good(l) != (err == nil) || err != nil && !errors.Is(err, fault.Unauthenticated) {
					rt.Fatalf("a credential of %v that ends at %d: %v, want it good: %t", l.of, l.ExpiresUnix, err, good(l))
				}
			}
		})
	})
}
