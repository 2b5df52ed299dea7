package server_test

import (
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// verifiersAt gives the document keys that a node publishes, trying for as long as
// a leader needs to make one.
func verifiersAt(t *testing.T, cluster *servertest.Cluster, node string) []string {
	t.Helper()
	for range 20 {
		status, body := get(t, cluster, node, "/.well-known/acquired-document-keys")
		if status != http.StatusOK {
			t.Fatalf("the document keys of %s are %d %q", node, status, body)
		}
		if body != "" {
			return slices.Collect(strings.Lines(body))
		}
		wait(t, 100*time.Millisecond)
	}
	t.Fatalf("%s publishes no document key", node)
	return nil
}

// TestDocumentsAreSigned: by any node, with one key, also after the leader changed,
// and who has the key needs nobody to verify it.
func TestDocumentsAreSigned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Configure: withHTTP})
		operator := cluster.Operator()
		seed(t, operator, "/account/a")
		cluster.Principal("/user/alice")
		made, err := operator.Ledger.Op(t.Context(), &pb.OpRequest{Steps: []*pb.Step{{Step: &pb.Step_WriteCheque{WriteCheque: &pb.WriteCheque{
			Id: "cheque", Account: "/account/bank", Recipient: "/user/alice", Resource: "a room", Ceiling: "10",
		}}}}})
		if err != nil {
			t.Fatal(err)
		}
		var keys []string
		check := func(when, node string) {
			t.Helper()
			verifiers := verifiersAt(t, cluster, node)
			if keys == nil {
				keys = verifiers
			}
			if len(verifiers) != 1 || !slices.Equal(verifiers, keys) || !strings.HasPrefix(keys[0], servertest.ClusterID+"+") {
				t.Errorf("%s %s publishes %q, another %q", when, node, verifiers, keys)
			}
			key := strings.TrimSpace(keys[0])
			c := cluster.Dial(node)
			listed, err := c.Ledger.DocumentKeys(t.Context(), &pb.DocumentKeysRequest{})
			if err != nil || len(listed.Keys) != 1 || listed.Keys[0].Verifier != key || !listed.Keys[0].Current {
				t.Errorf("%s %s lists the keys %v, %v; want %s", when, node, listed, err, key)
			}
			res, err := c.Ledger.Document(client.WithRead(t.Context(), client.Latest), &pb.DocumentRequest{Id: "cheque"})
			if err != nil {
				t.Fatalf("%s the document of %s: %v", when, node, err)
			}
			opened, err := client.OpenDocument([]byte(res.Note), key)
			if err != nil || opened.Text != res.Text || opened.Hash != res.Hash || opened.Signer != servertest.ClusterID || res.Hash != made.Results[0].Hash {
				t.Errorf("%s %s signs %q as %+v, %v", when, node, res.Note, opened, err)
			}
			altered := strings.Replace(res.Note, "10.00", "90.00", 1)
			if _, err := client.OpenDocument([]byte(altered), key); fault.KindOf(err) != fault.Unauthenticated || altered == res.Note {
				t.Errorf("%s an altered document: %v, want fault.Unauthenticated", when, err)
			}
		}
		for _, node := range cluster.IDs() {
			check("at first", node)
		}
		lost := leaderOf(t, operator)
		cluster.StopNode(lost)
		cluster.StartNode(lost)
		cluster.WaitReady(lost)
		check("after it was away", lost)
	})
}

func TestDocumentThatIsNotThere(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		_, err := cluster.Operator().Ledger.Document(t.Context(), &pb.DocumentRequest{Id: "none"})
		if want := (answer{fault.NotFound, `no document "none"`}); !want.is(err) {
			t.Errorf("a document that is not there: %v, want %v", err, want)
		}
	})
}
