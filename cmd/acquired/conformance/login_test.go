package conformance

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/server/servertest"
)

// sshKey is a key of somebody who logs in.
type sshKey struct {
	signer ssh.Signer
	// line is the public key in the form of an authorized_keys file.
	line string
}

// newKeys makes the keys that the scenarios speak of.
func newKeys(t *testing.T) map[string]sshKey {
	t.Helper()
	ofRSA, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ofEd, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]sshKey)
	for name, key := range map[string]crypto.Signer{"id_rsa": ofRSA, "id_ed": ofEd} {
		signer, err := ssh.NewSignerFromSigner(key)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = sshKey{signer, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))}
	}
	return all
}

// login shows the key of the step.
func (p *play) login(s *recordedStep) string {
	p.t.Helper()
	stranger, err := p.dial(p.t, "")
	if err != nil {
		p.t.Fatal(err)
	}
	signer := p.keys[s.Key].signer
	req := &pb.LoginRequest{Principal: s.Path, Unix: time.Now().Unix(), Nonce: make([]byte, 16), PublicKey: signer.PublicKey().Marshal()}
	rand.Read(req.Nonce)
	algorithm := signer.PublicKey().Type()
	if algorithm == ssh.KeyAlgoRSA {
		algorithm = ssh.KeyAlgoRSASHA512
	}
	statement := client.LoginStatement(servertest.ClusterID, req.Principal, req.Unix, req.Nonce)
	signature, err := signer.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, statement, algorithm)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Signature = ssh.Marshal(signature)
	credential, err := stranger.Identity.Login(p.t.Context(), req)
	return p.save(s, err, credential.GetToken())
}
