package server_test

import (
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/protobuf/proto"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/pki"
	"acquired/server/servertest"
)

// TestBareNames: a name alone is a proof only in a demonstration, and only of
// who has no other.
func TestBareNames(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		all, key := newBearers(t, cluster), sshKeys(t)["ed25519"]
		cluster.Make("/role/voucher")
		for _, name := range []string{"/user/alice", "/user/keyed", "/user/vouched/bob"} {
			cluster.Principal(name)
			all.wantEnded(t, "no demonstration", name, "a name alone proves nothing")
		}
		unproved := &caller{"a name", all.conns["node1"], bearer("/user/alice")}
		if _, err := unproved.services(t.Context()); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("a name asks for the services: %v, want it unauthenticated", err)
		}
		if _, err := cluster.Operator().Acl.Change(t.Context(), &pb.ChangeRequest{Demo: proto.Bool(true)}); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"/user/alice", "/user/keyed", "/user/vouched/bob"} {
			all.wantGood(t, "a demonstration", name, name)
		}
		all.wantGood(t, "the other scheme", "am://user/alice", "/user/alice")
		all.wantEnded(t, "nobody of that name", "/user/nobody", "a name alone proves nothing")
		all.wantEnded(t, "a directory", "/user/vouched", "a name alone proves nothing")
		all.wantEnded(t, "no principal", "/role/voucher", "not that of a principal")
		all.wantEnded(t, "the cluster itself", "/system", "not that of a principal")

		authorize(t, cluster, "/user/keyed", key.PublicKey())
		all.wantEnded(t, "it has an ssh key", "/user/keyed", "a name alone proves nothing")
		cluster.Clause("/user/vouched", "VouchFor", "/role/voucher")
		all.wantEnded(t, "somebody vouches for it", "/user/vouched/bob", "a name alone proves nothing")
		all.wantGood(t, "others have proofs", "/user/alice", "/user/alice")
	})
}

// TestPrincipalCertificates: a certificate makes its holder the principal, for as
// long as there is one and it is not revoked.
func TestPrincipalCertificates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		seed(t, cluster.Operator(), "/account/a")
		govern(t, cluster)
		workload(t, cluster, "/workload/w", "View", "Read")
		certified := func() client.Config {
			pair, err := cluster.Authority().IssuePrincipal("/workload/w", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			return withPair(cluster.Config(), pair)
		}
		check := func(when string, config client.Config, want answer) {
			t.Helper()
			for _, id := range cluster.IDs() {
				config.Addresses = []string{servertest.Address(id)}
				c, err := client.Dial(t.Context(), config)
				if err == nil {
					_, err = c.Ledger.Balance(client.WithRead(t.Context(), client.Latest), &pb.BalanceRequest{Path: "/account/a"})
					c.Close()
				}
				if !want.is(err) {
					t.Errorf("%s: %s answers %v, want %v", when, id, err, want)
				}
			}
		}
		early := certified()
		check("at first", early, served)
		c := cluster.DialConfig(early)
		if _, err := pay(t.Context(), c, "t1", "/account/a", "1.00"); !(answer{fault.Denied, "/workload/w may not Spend"}).is(err) {
			t.Errorf("a payment by who may only read: %v", err)
		}
		if who, err := c.Identity.Whoami(t.Context(), &pb.WhoamiRequest{}); err != nil || who.Method != "certificate" || who.Operator || who.Principal != "/workload/w" {
			t.Errorf("the certificate is %v, %v", who, err)
		}
		wait(t, 2*time.Second)
		revoke(t, cluster, &pb.RevokeRequest{Principal: "/workload/w"})
		check("revoked", early, answer{fault.Unauthenticated, "revoked"})
		wait(t, 2*time.Minute) // it counts as made up to a minute before it was
		late := certified()
		check("a new certificate", late, served)
		cluster.Change(servertest.Remove("/workload/w"))
		check("the principal is gone", late, answer{fault.Unauthenticated, "gone"})
	})
}

func withPair(config client.Config, pair pki.Pair) client.Config {
	config.Certificate, config.Key = pair.CertificatePEM, pair.KeyPEM
	return config
}
