package jepsen

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/crypto/ssh"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/ledger"
	"acquired/jepsen/cluster"
	"acquired/server/seal"
)

// What the keys that are in the state are sealed for.
const (
	sealingPurpose  = "signing key"
	documentPurpose = "document key"
)

// addFiles adds the keys that are in files of the cluster, and says in which.
func (s *secrets) addFiles(t *testing.T) {
	t.Helper()
	gossip, err := base64.StdEncoding.DecodeString(string(bytes.TrimSpace(read(t, s.path("node1", "gossip.key")))))
	if err != nil {
		t.Fatal(err)
	}
	sealing, err := hex.DecodeString(string(bytes.TrimSpace(read(t, s.path("node1", "sealing.key")))))
	if err != nil {
		t.Fatal(err)
	}
	var gossipFiles, sealingFiles []string
	for id := range s.cluster.Nodes() {
		gossipFiles = append(gossipFiles, filepath.Join(id, "gossip.key"))
		sealingFiles = append(sealingFiles, filepath.Join(id, "sealing.key"))
		s.add("key of "+id, seedOf(t, read(t, s.path(id, "node.key"))), filepath.Join(id, "node.key"))
		s.add("ssh host key of "+id, hostSeed(t, read(t, s.path(id, "data", "ssh_host_key"))), filepath.Join(id, "data", "ssh_host_key"))
	}
	s.add("gossip key", gossip, gossipFiles...)
	s.add("sealing key", sealing, sealingFiles...)
	s.add("key of the authority", seedOf(t, read(t, s.path("ca", "ca.key"))), filepath.Join("ca", "ca.key"))
	s.add("key of the operator", seedOf(t, s.cluster.Config().Key), "operator.context")
}

func (s *secrets) path(elements ...string) string {
	return filepath.Join(append([]string{s.cluster.Dir}, elements...)...)
}

// seedOf gives the secret in a private key in PEM.
func seedOf(t *testing.T, content []byte) []byte {
	t.Helper()
	block, _ := pem.Decode(content)
	if block == nil {
		t.Fatal("a key is not in PEM")
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	return key.(ed25519.PrivateKey).Seed()
}

func hostSeed(t *testing.T, content []byte) []byte {
	t.Helper()
	key, err := ssh.ParseRawPrivateKey(content)
	if err != nil {
		t.Fatal(err)
	}
	return key.(*ed25519.PrivateKey).Seed()
}

// addSigningKeys adds the keys that sign credentials and documents, which only the
// state of a node has, and sealed. The node must not be running.
func (s *secrets) addSigningKeys(t *testing.T, n *cluster.Node) {
	t.Helper()
	kek, err := seal.ParseKEK(read(t, filepath.Join(n.Folder(), "sealing.key")))
	if err != nil {
		t.Fatal(err)
	}
	engine := openState(t, n)
	defer engine.Close()
	machine := fsm.New(engine)
	defer machine.Close()
	v := machine.View(command.Caller{})
	defer v.Close()
	stored, _ := identity.CurrentRootKey(v)
	root, err := kek.Unwrap(s.cluster.Config().Cluster, seal.Wrapped{RootID: stored.ID, KEKID: stored.KeyEncryptionKey, Bytes: stored.Wrapped})
	if err != nil {
		t.Fatal(err)
	}
	keys := identity.Keys(v)
	if len(keys) == 0 {
		t.Error("the cluster has no signing key")
	}
	for _, key := range keys {
		seed, err := root.Open(sealingPurpose, key.ID, key.Sealed)
		if err != nil {
			t.Fatal(err)
		}
		if public := ed25519.NewKeyFromSeed(seed).Public().(ed25519.PublicKey); !bytes.Equal(public, key.Public) {
			t.Errorf("what is sealed as signing key %s is not its private part", key.ID)
		}
		s.add("signing key "+key.ID, seed)
	}
	s.addDocumentKey(t, v, root)
}

// addDocumentKey adds the key that signs documents. It is kept in the form of the
// signer of a note, "PRIVATE+KEY+NAME+HASH+KEY": the key in base64, behind a byte
// that says that it is one of Ed25519.
func (s *secrets) addDocumentKey(t *testing.T, v *command.Reading, root *seal.Root) {
	t.Helper()
	key, ok := ledger.CurrentDocumentKey(v)
	if !ok {
		t.Error("the cluster has no key that signs documents")
		return
	}
	signer, err := root.Open(documentPurpose, key.Verifier, key.Sealed)
	if err != nil {
		t.Fatal(err)
	}
	parts := strings.SplitN(string(signer), "+", 5) // base64 has plus signs of its own
	text := parts[len(parts)-1]
	private, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(private) != 1+ed25519.SeedSize {
		t.Fatalf("the document key has %d bytes, %v", len(private), err)
	}
	s.add("document key", private[1:])
	s.add("document key as it is kept", []byte(text))
}
