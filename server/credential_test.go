package server_test

import (
	"context"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// bearers shows tokens to each node of a cluster, on connections that prove
// nothing themselves.
type bearers struct {
	cluster *servertest.Cluster
	conns   map[string]*grpc.ClientConn
}

func newBearers(t *testing.T, cluster *servertest.Cluster) *bearers {
	t.Helper()
	b := &bearers{cluster, make(map[string]*grpc.ClientConn)}
	for _, id := range cluster.IDs() {
		b.conns[id] = wireTo(t, cluster, id, nil)
	}
	return b
}

// whoami asks a node who the bearer of the token is.
func (b *bearers) whoami(ctx context.Context, node, token string, read client.Read) (*pb.WhoamiResponse, error) {
	ctx = withHeaders(ctx, append(bearer(token), "acquired-read", string(read))...)
	res, err := pb.NewIdentityClient(b.conns[node]).Whoami(ctx, &pb.WhoamiRequest{})
	return res, fault.FromGRPC(err)
}

// wantGood: all nodes take the bearer for the principal.
func (b *bearers) wantGood(t *testing.T, when, token, principal string) {
	t.Helper()
	for _, id := range b.cluster.IDs() {
		res, err := b.whoami(t.Context(), id, token, client.Latest)
		if err != nil || res.Principal != principal {
			t.Errorf("%s: %s takes the bearer for %q (%v), want %q", when, id, res.GetPrincipal(), err, principal)
		}
	}
}

// wantEnded: no node accepts the token any more, to read or to write.
func (b *bearers) wantEnded(t *testing.T, when, token, says string) {
	t.Helper()
	for _, id := range b.cluster.IDs() {
		_, reading := b.whoami(t.Context(), id, token, client.Latest)
		writing := transferOn(b.conns[id], bearer(token)...)(t.Context())
		for what, err := range map[string]error{"read": reading, "write": fault.FromGRPC(writing)} {
			if fault.KindOf(err) != fault.Unauthenticated || !strings.Contains(err.Error(), says) {
				t.Errorf("%s: %s answers a %s with %v, want it unauthenticated, %q", when, id, what, err, says)
			}
		}
	}
}

// TestCredentialsEndEverywhere: what ends a credential ends it on all nodes at
// the index of the change, whichever node was told.
func TestCredentialsEndEverywhere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		all := newBearers(t, cluster)
		revoke := func(session bool) func(context.Context, *client.Client, *pb.Credential) error {
			return func(ctx context.Context, c *client.Client, of *pb.Credential) error {
				req := &pb.RevokeRequest{Principal: of.Subject}
				if session {
					req.Session = of.Session
				}
				_, err := c.Identity.Revoke(ctx, req)
				return err
			}
		}
		change := func(changes ...*pb.Change) func(context.Context, *client.Client, *pb.Credential) error {
			return func(ctx context.Context, c *client.Client, of *pb.Credential) error {
				_, err := c.Acl.Change(ctx, &pb.ChangeRequest{Changes: changes})
				return err
			}
		}
		create := func(path string) *pb.Change {
			return &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: path}}}
		}
		for i, test := range []struct {
			name, principal string
			end             func(context.Context, *client.Client, *pb.Credential) error
			says            string
			// others of the principal go on.
			others bool
		}{
			{"the principal is removed", "/user/a/removed", change(servertest.Remove("/user/a/removed")), "gone", false},
			{"the principal is made anew", "/user/a/anew", change(servertest.Remove("/user/a/anew"), create("/user/a/anew")), "gone", false},
			{"everything is revoked", "/user/a/revoked", revoke(false), "revoked", false},
			{"its session is revoked", "/user/a/session", revoke(true), "revoked", true},
		} {
			cluster.Principal(test.principal)
			credential, other := cluster.Credential(test.principal), cluster.Credential(test.principal)
			all.wantGood(t, "before "+test.name, credential.Token, test.principal)
			if err := test.end(t.Context(), cluster.Dial(cluster.IDs()[i%3]), credential); err != nil {
				t.Fatalf("%s: %v", test.name, err)
			}
			all.wantEnded(t, test.name, credential.Token, test.says)
			if test.others {
				all.wantGood(t, "another session when "+test.name, other.Token, test.principal)
			} else {
				all.wantEnded(t, "another session when "+test.name, other.Token, test.says)
			}
		}
		cluster.Principal("/user/a/late")
		credential, err := cluster.Operator().Identity.Vouch(t.Context(), &pb.VouchRequest{Subject: "/user/a/late", LifetimeSeconds: 20})
		if err != nil {
			t.Fatal(err)
		}
		all.wantGood(t, "before its time is over", credential.Token, credential.Subject)
		wait(t, time.Until(time.Unix(credential.ExpiresUnix, 0)))
		all.wantEnded(t, "its time is over", credential.Token, "expired")
	})
}

// TestPrincipalRevokesItself, and nobody else.
func TestPrincipalRevokesItself(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Nodes: 1})
		cluster.Principal("/user/alice")
		cluster.Principal("/user/mallory")
		all, stolen := newBearers(t, cluster), cluster.Credential("/user/alice")
		mallory := cluster.As("/user/mallory")
		if _, err := mallory.Identity.Revoke(t.Context(), &pb.RevokeRequest{Principal: "/user/alice"}); fault.KindOf(err) != fault.NotFound {
			t.Errorf("somebody else revokes: %v, want not found", err)
		}
		all.wantGood(t, "somebody else revoked", stolen.Token, "/user/alice")
		if _, err := cluster.As("/user/alice").Identity.Revoke(t.Context(), &pb.RevokeRequest{Principal: "/user/alice"}); err != nil {
			t.Fatal(err)
		}
		all.wantEnded(t, "alice revoked what she had", stolen.Token, "revoked")
		all.wantGood(t, "alice begins anew", cluster.Credential("/user/alice").Token, "/user/alice")
	})
}

// TestRevokedDuringPartition: a node that is cut off and has not heard of a
// revocation says what was so before only to who asks for that.
func TestRevokedDuringPartition(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		operator := cluster.Operator()
		cluster.Principal("/user/alice")
		all, credential := newBearers(t, cluster), cluster.Credential("/user/alice")
		follower := followerOf(t, cluster, operator)
		all.wantGood(t, "at first", credential.Token, "/user/alice")
		cluster.Cut(follower)
		revoke(t, cluster, &pb.RevokeRequest{Principal: "/user/alice"})
		if _, err := all.whoami(t.Context(), follower, credential.Token, client.Any); err != nil {
			t.Errorf("a read of any state behind the revocation: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
		defer cancel()
		_, reading := all.whoami(ctx, follower, credential.Token, client.Latest)
		writing := transferOn(all.conns[follower], bearer(credential.Token)...)(ctx)
		for what, err := range map[string]error{"latest read": reading, "write": fault.FromGRPC(writing)} {
			if fault.KindOf(err) != fault.Unavailable {
				t.Errorf("a %s at a node that is cut off: %v, want it unavailable", what, err)
			}
		}
		cluster.Heal(follower)
		cluster.WaitReady(follower)
		all.wantEnded(t, "the node is back", credential.Token, "revoked")
	})
}

// TestDelegatedIsNobody: a credential that shows roles to a data service is good
// for nothing else, whatever is asked with it.
func TestDelegatedIsNobody(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Nodes: 1})
		govern(t, cluster)
		cluster.Make(data)
		cluster.Change(servertest.Text(data, "data-info", `{"delegatedAttributes":["/role/may/read"]}`))
		own := cluster.DialConfig(cluster.Bearer(workload(t, cluster, someone, operations...)))
		delegated, err := own.Identity.Delegate(t.Context(), &pb.DelegateRequest{Path: data})
		if err != nil {
			t.Fatal(err)
		}
		by := &caller{"a data service", wireTo(t, cluster, "node1", nil), bearer(delegated.Token)}
		want := answer{fault.Unauthenticated, "a delegated credential shows roles"}
		table := accessOf()
		for name, m := range methodsIn("acquired.v1") {
			if a := table[name]; !a.open {
				if err := by.call(t.Context(), name, m, a.request(1)); !want.is(err) {
					t.Errorf("%s with a delegated credential: %v, want %v", name, err, want)
				}
			}
		}
		if _, err := by.services(t.Context()); !want.is(err) {
			t.Errorf("reflection with a delegated credential: %v, want %v", err, want)
		}
	})
}

// TestInspect says of a token what it is, and of what has ended why.
func TestInspect(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		cluster.Principal("/user/alice")
		credential := cluster.Credential("/user/alice")
		inspect := func(node, token string) *pb.InspectResponse {
			t.Helper()
			res, err := cluster.Dial(node).Identity.Inspect(client.WithRead(t.Context(), client.Latest), &pb.InspectRequest{Token: token})
			if err != nil {
				t.Fatal(err)
			}
			return res
		}
		want := &pb.InspectResponse{
			Valid: true, Subject: "/user/alice", Session: credential.Session, Audience: "acquired:test", Method: "vouch",
			IssuedUnix: credential.ExpiresUnix - 1800, ExpiresUnix: credential.ExpiresUnix, Actors: []string{"/user/operator"},
		}
		for _, id := range cluster.IDs() {
			if got := inspect(id, credential.Token); !proto.Equal(got, want) {
				t.Errorf("%s says %v, want %v", id, got, want)
			}
			if got := inspect(id, credential.Token+"x"); got.Valid || got.Subject != "" || !strings.Contains(got.Reason, "base64url") {
				t.Errorf("%s says of a token with a letter more: %v", id, got)
			}
		}
		if _, err := cluster.Operator().Identity.Revoke(t.Context(), &pb.RevokeRequest{Principal: "/user/alice"}); err != nil {
			t.Fatal(err)
		}
		for _, id := range cluster.IDs() {
			if got := inspect(id, credential.Token); got.Valid || got.Subject != "" || !strings.Contains(got.Reason, "revoked") {
				t.Errorf("%s says of a credential that was revoked: %v", id, got)
			}
		}
		// Who asks must be somebody, too.
		revoked := &caller{"the bearer", wireTo(t, cluster, "node1", nil), bearer(credential.Token)}
		name := pb.Identity_Inspect_FullMethodName
		if err := revoked.call(t.Context(), name, methodsIn("acquired.v1")[name], &pb.InspectRequest{Token: "x"}); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("the bearer of a credential that was revoked asks: %v, want it unauthenticated", err)
		}
		if _, err := revoked.services(t.Context()); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("the bearer of a credential that was revoked asks for the services: %v, want it unauthenticated", err)
		}
	})
}
