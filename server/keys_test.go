package server_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server"
	"acquired/server/seal"
	"acquired/server/servertest"
)

// rotation is how long a key signs in these tests.
const rotation = 15 * time.Minute

// slow is an Options.Configure with which hours of virtual time have few
// messages in them. Followers learn within twice Commit what is committed: that
// must be less than a node waits for when it looks at a credential again.
func slow(c *server.Config) {
	withHTTP(c)
	c.Timing = server.Timing{
		KeyRotation: rotation, Heartbeat: 10 * time.Second, Commit: 400 * time.Millisecond,
		HashCheck: time.Hour, SnapshotInterval: time.Hour,
	}
}

// published gives the ids of the keys that a node shows to the world.
func published(t *testing.T, cluster *servertest.Cluster, node string) (ids []string) {
	t.Helper()
	status, body := get(t, cluster, node, "/.well-known/jwks.json")
	var set struct {
		Keys []struct{ Kid, Kty, Crv, Alg, Use, X, D string }
	}
	if err := json.Unmarshal([]byte(body), &set); err != nil || status != http.StatusOK {
		t.Fatalf("the key set of %s is %d %q: %v", node, status, body, err)
	}
	for _, k := range set.Keys {
		if k.Kty != "OKP" || k.Crv != "Ed25519" || k.Alg != "EdDSA" || k.Use != "sig" || k.X == "" || k.D != "" {
			t.Errorf("%s publishes %+v", node, k)
		}
		ids = append(ids, k.Kid)
	}
	return ids
}

// vouchAt obtains a credential at a node, trying for as long as a leader needs to
// make a key.
func vouchAt(t *testing.T, c *client.Client, subject string) *pb.Credential {
	t.Helper()
	var err error
	for range 20 {
		var credential *pb.Credential
		if credential, err = c.Identity.Vouch(t.Context(), &pb.VouchRequest{Subject: subject}); err == nil {
			return credential
		}
		wait(t, 100*time.Millisecond)
	}
	t.Fatalf("no credential: %v", err)
	return nil
}

// TestKeysRotate: keys follow one another, also when the leader changes; each is
// published before it signs, all nodes sign with it, and what it signed is good
// until its own end.
func TestKeysRotate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Configure: slow})
		cluster.Principal("/user/alice")
		operator, all := cluster.Operator(), newBearers(t, cluster)
		issuers := make(map[string]*client.Client)
		for _, id := range cluster.IDs() {
			issuers[id] = cluster.Dial(id)
		}
		var live []*pb.Credential
		signers, before := []string{}, published(t, cluster, "node1")
		for i := range 24 {
			if i%7 == 6 {
				makeLeader(t, operator, followerOf(t, cluster, operator))
			}
			node := cluster.IDs()[i%3]
			credential := vouchAt(t, issuers[node], "/user/alice")
			key := proved(t, credential.Token).Key
			if !slices.Contains(before, key) {
				t.Errorf("%s signed with %s, which was not published; those were %v", node, key, before)
			}
			if !slices.Contains(signers, key) {
				signers = append(signers, key)
			}
			live = append(live, credential)
			wait(t, 4*time.Minute)
			for len(live) > 0 && time.Now().Unix() >= live[0].ExpiresUnix {
				all.wantEnded(t, "its time is over", live[0].Token, "expired")
				live = live[1:]
			}
			for _, at := range []int{0, len(live) - 1} {
				all.wantGood(t, fmt.Sprint("step ", i), live[at].Token, "/user/alice")
			}
			before = published(t, cluster, cluster.IDs()[(i+1)%3])
		}
		if len(signers) < 6 || len(signers) > 8 {
			t.Errorf("%d keys signed in %s, want about one each %s", len(signers), 24*4*time.Minute, rotation)
		}
		wantEqualHashes(t, operator, 3)
	})
}

// TestSigningKeyRevoked: all that it signed is over at once, on all nodes; it is
// published no more, and another one signs.
func TestSigningKeyRevoked(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Configure: slow})
		cluster.Principal("/user/alice")
		operator, all := cluster.Operator(), newBearers(t, cluster)
		for _, age := range []time.Duration{0, rotation - time.Minute} { // in the second the next key is there
			wait(t, age)
			states := signingKeys(t, operator)
			credential := vouchAt(t, operator, "/user/alice")
			key := proved(t, credential.Token).Key
			if states[key] != "active" {
				t.Errorf("the key %s signs and is %q", key, states[key])
			}
			if _, err := operator.Identity.RevokeSigningKey(t.Context(), &pb.RevokeSigningKeyRequest{Id: key}); err != nil {
				t.Fatal(err)
			}
			all.wantEnded(t, "its key was revoked", credential.Token, "key")
			for _, id := range cluster.IDs() {
				if ids := published(t, cluster, id); slices.Contains(ids, key) {
					t.Errorf("%s publishes a key that was revoked", id)
				}
			}
			next := vouchAt(t, cluster.Dial(followerOf(t, cluster, operator)), "/user/alice")
			if proved(t, next.Token).Key == key {
				t.Error("a key that was revoked signs")
			}
			all.wantGood(t, "another key signed", next.Token, "/user/alice")
			if got := signingKeys(t, operator)[key]; got != "revoked" {
				t.Errorf("the key that was revoked is %q", got)
			}
		}
	})
}

func signingKeys(t *testing.T, c *client.Client) map[string]string {
	t.Helper()
	res, err := c.Identity.SigningKeys(client.WithRead(t.Context(), client.Latest), &pb.SigningKeysRequest{})
	if err != nil {
		t.Fatal(err)
	}
	states := make(map[string]string)
	for _, k := range res.Keys {
		states[k.Id] = k.State
	}
	return states
}

// TestOtherKeyEncryptionKey: a node that cannot open the secrets of the cluster
// signs nothing and says why; all else it does as before, even to lead.
func TestOtherKeyEncryptionKey(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		other, victim := seal.NewKEK(), ""
		cluster := servertest.Start(t, servertest.Options{Configure: func(c *server.Config) {
			if c.Node == victim {
				c.KeyEncryptionKey = other
			}
		}})
		operator := cluster.Operator()
		seed(t, operator, "/account/a")
		cluster.Principal("/user/alice")
		credential, all := cluster.Credential("/user/alice"), newBearers(t, cluster)
		victim = followerOf(t, cluster, operator)
		cluster.StopNode(victim)
		cluster.StartNode(victim)
		cluster.WaitReady(victim)
		check := func(when string) {
			t.Helper()
			_, err := pb.NewIdentityClient(operator.Node(servertest.Address(victim))).Vouch(t.Context(), &pb.VouchRequest{Subject: "/user/alice"})
			if f := fault.FromGRPC(err); fault.KindOf(f) != fault.Unavailable || !strings.Contains(f.Error(), "cannot open the secrets") || !strings.Contains(f.Error(), other.ID()) {
				t.Errorf("%s: it answers %v, want it unavailable, with the id of its key-encryption key", when, err)
			}
			all.wantGood(t, when, credential.Token, "/user/alice")
			all.wantGood(t, when, vouchAt(t, operator, "/user/alice").Token, "/user/alice")
			if _, err := pay(t.Context(), operator, when, "/account/a", "1.00"); err != nil {
				t.Errorf("%s: a payment: %v", when, err)
			}
		}
		check("follows")
		makeLeader(t, operator, victim)
		check("leads")
		wantEqualHashes(t, operator, 3)
	})
}
