package server_test

import (
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server"
	"acquired/server/servertest"
	"acquired/server/token"
)

// TestNewProofsWhileCutOff: a node that is cut off says that it does not know who
// shows what may be newer than its state. What is no proof in any state it refuses.
func TestNewProofsWhileCutOff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		govern(t, cluster)
		operator, issuers := cluster.Operator(), outsiders(t)
		follower, leader := followerOf(t, cluster, operator), leaderOf(t, operator)
		for _, name := range []string{"/user/old", "/user/renewed", "/user/revoked", "/user/removed"} {
			cluster.Principal(name)
		}
		putIssuer(t, cluster, leader, issuers[1].trust())
		leaked, lost := cluster.Credential("/user/old"), signingKey(t, cluster, leader)
		if _, err := operator.Identity.RevokeSigningKey(t.Context(), &pb.RevokeSigningKeyRequest{Id: lost.ID}); err != nil {
			t.Fatal(err)
		}
		wait(t, time.Second) // the leader makes another
		revoked, removed := cluster.Credential("/user/revoked"), cluster.Credential("/user/removed")
		revoke(t, cluster, &pb.RevokeRequest{Principal: "/user/revoked"})
		cluster.Change(servertest.Remove("/user/removed"))
		good, own, key := cluster.Credential("/user/old"), signingKey(t, cluster, leader), newSigningKey(t)
		short, err := operator.Identity.Vouch(t.Context(), &pb.VouchRequest{Subject: "/user/old", LifetimeSeconds: 1})
		if err != nil {
			t.Fatal(err)
		}
		catchUp(t, cluster, follower)
		cluster.Cut(follower)

		cluster.Principal("/user/new")
		revoke(t, cluster, &pb.RevokeRequest{Principal: "/user/renewed"})
		putIssuer(t, cluster, leader, issuers[2].trust())
		fresh, renewed := cluster.Credential("/user/new"), cluster.Credential("/user/renewed")
		vouched, err := exchange(t, cluster, leader, workload(t, cluster, "/workload/voucher", "View", "VouchFor"), "/user/old", 0)
		if err != nil {
			t.Fatal(err)
		}
		pair, err := cluster.Authority().IssuePrincipal("/user/new", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		wait(t, 2*time.Second)
		all := newBearers(t, cluster)
		unknown := answer{fault.Unavailable, "may be newer than what this node knows"}
		ended := func(says string) answer { return answer{fault.Unauthenticated, says} }
		for _, test := range []struct {
			name, token string
			want        answer
		}{
			{"a principal that was there", good.Token, served},
			{"a principal that is new", fresh.Token, unknown},
			{"a principal that was revoked and began anew", renewed.Token, unknown},
			{"somebody for whom a principal vouched that is new", vouched.Token, unknown},
			{"a key that is not known", signed(t, servertest.ClusterID, key, time.Now()), unknown},
			{"an issuer that is not known", issuers[2].token(t, "new", ""), unknown},
			{"a new principal of an issuer that is known", issuers[1].token(t, "new", ""), unknown},
			{"an issuer's token that has ended", issuers[1].token(t, "new", "", longAgo), ended("expired")},
			{"a signature of something else", spliced(fresh.Token, good.Token), ended("signature")},
			{"a credential that has ended", short.Token, ended("expired")},
			{"a credential that was revoked", revoked.Token, ended("revoked")},
			{"a key that was revoked", leaked.Token, ended("not known here, or no longer")},
			{"a principal that was removed", removed.Token, ended("gone")},
			{"a principal that was never there", signed(t, servertest.ClusterID, own, time.Now()), ended("gone")},
			{"another cluster", signed(t, "other", own, time.Now()), ended("issuer is not")},
			{"nonsense", "x", ended("three parts")},
		} {
			for _, read := range []client.Read{client.Any, client.Seen} {
				_, err := all.whoami(t.Context(), follower, test.token, read)
				if !test.want.is(err) || err != nil && fault.OutcomeOf(err) != fault.Definite {
					t.Errorf("%s: %s answers %v, want %v", test.name, follower, err, test.want)
				}
			}
		}
		_, err = pb.NewIdentityClient(wireTo(t, cluster, follower, &pair)).Whoami(t.Context(), &pb.WhoamiRequest{})
		if err := fault.FromGRPC(err); !unknown.is(err) {
			t.Errorf("a certificate of a new principal: %s answers %v, want %v", follower, err, unknown)
		}
		cluster.Heal(follower)
		cluster.WaitReady(follower)
		all.wantGood(t, "the node is back", fresh.Token, "/user/new")
		all.wantGood(t, "the node is back", renewed.Token, "/user/renewed")
	})
}

// signingKey gives the key with which a node signs.
func signingKey(t *testing.T, cluster *servertest.Cluster, node string) token.SigningKey {
	t.Helper()
	key, err := cluster.Node(node).SigningKey()
	if err != nil {
		t.Fatal(err)
	}
	return key
}

// longAgo makes a token of two hours ago that was good for one.
func longAgo(c jwt.MapClaims) { c["iat"], c["exp"] = time.Now().Unix()-7200, time.Now().Unix()-3600 }

// spliced gives a token with the signature of another.
func spliced(token, other string) string {
	return token[:strings.LastIndexByte(token, '.')] + other[strings.LastIndexByte(other, '.'):]
}

// TestSlowFollowersKnowNewProofs: a follower that hears late what is committed waits
// for it before it refuses a proof.
func TestSlowFollowersKnowNewProofs(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Configure: func(c *server.Config) { c.Timing.Commit = 2 * time.Second }})
		all := newBearers(t, cluster)
		leader := leaderOf(t, cluster.Operator())
		at := cluster.Dial(leader)
		create := &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: "/user/new", Parents: true}}}
		if _, err := at.Acl.Change(t.Context(), &pb.ChangeRequest{Changes: []*pb.Change{create}}); err != nil {
			t.Fatal(err)
		}
		credential, err := at.Identity.Vouch(t.Context(), &pb.VouchRequest{Subject: "/user/new"})
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range cluster.IDs() {
			if _, err := all.whoami(t.Context(), id, credential.Token, client.Any); err != nil {
				t.Errorf("%s answers a credential that was only just given: %v", id, err)
			}
		}
	})
}
