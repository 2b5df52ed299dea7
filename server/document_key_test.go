package server_test

import (
	"fmt"
	"slices"
	"testing"
	"testing/synctest"

	"google.golang.org/protobuf/proto"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// TestDocumentKeyRotates: the key that is made signs on every node from the answer on,
// what those before it signed verifies with the keys that are published, and a call
// that is made again makes no other.
func TestDocumentKeyRotates(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Configure: withHTTP})
		operator := cluster.Operator()
		seed(t, operator, "/account/a")
		cluster.Principal("/user/alice")
		if _, err := operator.Ledger.Op(t.Context(), &pb.OpRequest{Steps: []*pb.Step{{Step: &pb.Step_WriteCheque{WriteCheque: &pb.WriteCheque{
			Id: "cheque", Account: "/account/bank", Recipient: "/user/alice", Resource: "a room", Ceiling: "10",
		}}}}}); err != nil {
			t.Fatal(err)
		}
		verifiersAt(t, cluster, "node1")
		published, old := keysAt(t, operator), noteAt(t, operator)
		for i := range 3 {
			if i == 2 {
				makeLeader(t, operator, followerOf(t, cluster, operator))
			}
			by := cluster.Dial(followerOf(t, cluster, operator))
			ctx := client.WithRequestID(t.Context(), fmt.Sprint("rotation-", i))
			made, err := by.Ledger.RotateDocumentKey(ctx, &pb.RotateDocumentKeyRequest{})
			if err != nil {
				t.Fatal(err)
			}
			keys := keysAt(t, by)
			if want := append(slices.Clone(published), made.Verifier); !slices.Equal(keys, want) {
				t.Fatalf("the keys are %q, want %q", keys, want)
			}
			again, err := by.Ledger.RotateDocumentKey(ctx, &pb.RotateDocumentKeyRequest{})
			if err != nil || !proto.Equal(again, made) {
				t.Errorf("asked for again: %v, %v, want %v", again, err, made)
			}
			for _, node := range cluster.IDs() {
				c := cluster.Dial(node)
				signed := noteAt(t, c)
				if _, err := client.OpenDocument(signed, made.Verifier); err != nil {
					t.Errorf("%s does not sign with the new key: %v", node, err)
				}
				if _, err := client.OpenDocument(signed, published...); fault.KindOf(err) != fault.Unauthenticated {
					t.Errorf("%s signs with an old key: %v", node, err)
				}
				if _, err := client.OpenDocument(old, keysAt(t, c)...); err != nil {
					t.Errorf("what was signed before, with the keys of %s: %v", node, err)
				}
				if lines := verifiersAt(t, cluster, node); !slices.Equal(lines, inLines(keys)) {
					t.Errorf("%s publishes %q, want %q", node, lines, keys)
				}
			}
			published = keys
		}
	})
}

// noteAt gives the cheque as the node signs it.
func noteAt(t *testing.T, c *client.Client) []byte {
	t.Helper()
	res, err := c.Ledger.Document(client.WithRead(t.Context(), client.Latest), &pb.DocumentRequest{Id: "cheque"})
	if err != nil {
		t.Fatal(err)
	}
	return []byte(res.Note)
}

// keysAt gives the document keys as the node lists them, the newest last, and wants
// each to end when the next begins.
func keysAt(t *testing.T, c *client.Client) (verifiers []string) {
	t.Helper()
	res, err := c.Ledger.DocumentKeys(t.Context(), &pb.DocumentKeysRequest{})
	if err != nil {
		t.Fatal(err)
	}
	for i, k := range res.Keys {
		until := int64(0)
		if i < len(res.Keys)-1 {
			until = res.Keys[i+1].CreatedUnixNanos
		}
		if k.UntilUnixNanos != until || k.Current != (until == 0) {
			t.Errorf("key %d of %d is %v", i, len(res.Keys), k)
		}
		verifiers = append(verifiers, k.Verifier)
	}
	return verifiers
}

func inLines(all []string) (lines []string) {
	for _, s := range all {
		lines = append(lines, s+"\n")
	}
	return lines
}
