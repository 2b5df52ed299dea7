package jepsen

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"golang.org/x/crypto/ssh"
	"google.golang.org/grpc/metadata"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

const (
	secretUser     = "/user/secret/alice"
	secretRole     = "/role/secret/reader"
	secretData     = "/data/secret/set"
	secretIssuer   = "https://issuer.example"
	secretAudience = "acquired of the test"
	// otherSession is one that nobody has.
	otherSession = "00000000000000000000000000000000"
)

// usage makes secrets and uses them.
type usage struct {
	secrets  *secrets
	operator *client.Client
	// known is a key of the principal, stranger is of nobody.
	known, stranger ed25519.PrivateKey
	// outside signs the tokens of an outside issuer.
	outside []byte
	// certified shows a certificate of the principal.
	certified client.Config
	tokens    int
}

// newUsage makes a principal that can prove who it is in every way.
func newUsage(t *testing.T, s *secrets) *usage {
	t.Helper()
	u := &usage{secrets: s, operator: s.cluster.Dial(), known: newKey(t), stranger: newKey(t), outside: make([]byte, 48)}
	_, _ = rand.Read(u.outside)
	pair, err := readAuthority(t, s.cluster).IssuePrincipal(secretUser, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	u.certified = s.cluster.Config()
	u.certified.Certificate, u.certified.Key = pair.CertificatePEM, pair.KeyPEM
	s.add("key of the principal's certificate", seedOf(t, pair.KeyPEM))
	s.add("ssh key", u.known.Seed())
	s.add("ssh key of nobody", u.stranger.Seed())
	s.add("secret of the issuer", u.outside)
	_, err = u.operator.Acl.Change(t.Context(), &pb.ChangeRequest{Changes: []*pb.Change{
		create(secretUser), create(secretRole), create(secretData), clause("/", "View"), clause(secretData, "Read", secretRole),
		text(secretUser, "ssh-pubkey", authorizedKey(t, u.known)),
		text(secretUser, "note", hex.EncodeToString(s.canary)),
		text(secretData, "data-info", fmt.Sprintf(`{"delegatedAttributes":[%q]}`, secretRole)),
		annotate(secretUser, &pb.Annotation{Tag: tagRole, Content: &pb.Annotation_Role{Role: &pb.RoleName{Path: secretRole}}}),
	}})
	if err != nil {
		t.Fatal(err)
	}
	if err := u.putIssuer(t.Context(), "HS256"); err != nil {
		t.Fatal(err)
	}
	return u
}

func newKey(t *testing.T) ed25519.PrivateKey {
	t.Helper()
	_, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func authorizedKey(t *testing.T, key ed25519.PrivateKey) string {
	t.Helper()
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(public)))
}

func text(path, tag, content string) *pb.Change {
	return annotate(path, &pb.Annotation{Tag: tag, Content: &pb.Annotation_Text{Text: content}})
}

func (u *usage) putIssuer(ctx context.Context, algorithm string) error {
	_, err := u.operator.Identity.PutIssuer(ctx, &pb.PutIssuerRequest{Keys: u.outside, Issuer: &pb.Issuer{
		Issuer: secretIssuer, Audience: secretAudience, Algorithm: algorithm, Subject: "/user/secret/{sub}",
	}})
	return err
}

// useAll uses everything at every node, first rightly and then wrongly.
func (u *usage) useAll(t *testing.T) {
	t.Helper()
	for _, node := range u.secrets.cluster.Others() {
		vouched := u.vouch(t, node)
		tokens := []string{vouched.Token, u.login(t, node), u.sshLogin(t, node), u.outsideToken(t, secretAudience)}
		for _, token := range tokens {
			u.wantAs(t, node, token, nil)
			u.wantInspected(t, node, token)
			u.delegate(t, node, token)
			for _, spoilt := range []string{spoil(token), token[:len(token)-1], token + "A", "x" + token} {
				u.wantAs(t, node, spoilt, fault.Unauthenticated)
				u.wantInspected(t, node, spoilt)
			}
		}
		u.certify(t, node)
		u.wantAs(t, node, u.outsideToken(t, "others"), fault.Unauthenticated)
		u.misuse(t, node)
		if _, err := u.operator.Identity.Revoke(t.Context(), &pb.RevokeRequest{Principal: secretUser, Session: vouched.Session}); err != nil {
			t.Fatal(err)
		}
		u.wantAs(t, node, vouched.Token, fault.Unauthenticated)
	}
}

// issued looks for the token from now on. Who has its signature has what is
// secret of it.
func (u *usage) issued(t *testing.T, how, token string) string {
	t.Helper()
	signature, err := base64.RawURLEncoding.DecodeString(token[strings.LastIndex(token, ".")+1:])
	if err != nil || token == "" {
		t.Fatalf("%s gave %d bytes that are no token: %v", how, len(token), err)
	}
	u.tokens++
	u.secrets.add(fmt.Sprintf("token %d, by %s", u.tokens, how), signature)
	return token
}

// spoil changes what a token says and leaves its signature.
func spoil(token string) string {
	at := strings.Index(token, ".") + 10
	other := "A"
	if token[at] == 'A' {
		other = "B"
	}
	return token[:at] + other + token[at+1:]
}

func (u *usage) at(c *client.Client, node string) pb.IdentityClient {
	return pb.NewIdentityClient(c.Node(u.secrets.cluster.Node(node).Address()))
}

func (u *usage) vouch(t *testing.T, node string) *pb.Credential {
	t.Helper()
	credential, err := u.at(u.operator, node).Vouch(t.Context(), &pb.VouchRequest{Subject: secretUser})
	if err != nil {
		t.Fatal(err)
	}
	u.issued(t, "vouch", credential.Token)
	return credential
}

// login gives the token of a login over gRPC.
func (u *usage) login(t *testing.T, node string) string {
	t.Helper()
	credential, err := u.askLogin(t, node, u.known)
	if err != nil {
		t.Fatal(err)
	}
	return u.issued(t, "login", credential.Token)
}

func (u *usage) askLogin(t *testing.T, node string, key ed25519.PrivateKey) (*pb.Credential, error) {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	req := &pb.LoginRequest{Principal: secretUser, Unix: time.Now().Unix(), Nonce: make([]byte, 16), PublicKey: signer.PublicKey().Marshal()}
	_, _ = rand.Read(req.Nonce)
	signature, err := signer.Sign(rand.Reader, client.LoginStatement(u.operatorConfig().Cluster, secretUser, req.Unix, req.Nonce))
	if err != nil {
		t.Fatal(err)
	}
	req.Signature = ssh.Marshal(signature)
	c := u.dial(t, u.anyone())
	defer c.Close()
	return u.at(c, node).Login(t.Context(), req)
}

func (u *usage) operatorConfig() client.Config { return u.secrets.cluster.Config() }

// anyone is the configuration of a client who shows nothing.
func (u *usage) anyone() client.Config {
	config := u.operatorConfig()
	config.Certificate, config.Key = nil, nil
	return config
}

func (u *usage) dial(t *testing.T, config client.Config) *client.Client {
	t.Helper()
	c, err := client.Dial(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (u *usage) sshLogin(t *testing.T, node string) string {
	t.Helper()
	token, err := u.askSSH(t, node, u.known)
	if err != nil {
		t.Fatal(err)
	}
	return u.issued(t, "ssh", strings.TrimSpace(token))
}

func (u *usage) askSSH(t *testing.T, node string, key ed25519.PrivateKey) (string, error) {
	t.Helper()
	signer, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	c, err := ssh.Dial("tcp", u.secrets.cluster.Node(node).SSH(), &ssh.ClientConfig{
		User: secretUser, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(),
	})
	if err != nil {
		return "", err
	}
	defer c.Close()
	session, err := c.NewSession()
	if err != nil {
		return "", err
	}
	output, err := session.Output("token")
	return string(output), err
}

// outsideToken gives a token as the outside issuer makes them.
func (u *usage) outsideToken(t *testing.T, audience string) string {
	t.Helper()
	now := time.Now()
	signed, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{
		"iss": secretIssuer, "aud": audience, "sub": "alice", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(),
	}).SignedString(u.outside)
	if err != nil {
		t.Fatal(err)
	}
	return u.issued(t, "issuer", signed)
}

// wantAs calls as the bearer of the token, which must end so: a read and a write.
func (u *usage) wantAs(t *testing.T, node, token string, want error) {
	t.Helper()
	c := u.dial(t, u.anyone())
	defer c.Close()
	ctx := bearer(t.Context(), token)
	if _, err := u.at(c, node).Whoami(client.WithRead(ctx, client.Latest), &pb.WhoamiRequest{}); !errors.Is(err, want) {
		t.Errorf("whoami at %s: %v, want %v", node, err, want)
	}
	// What principals may do without leave is to revoke what is their own.
	if _, err := u.at(c, node).Revoke(ctx, &pb.RevokeRequest{Principal: secretUser, Session: otherSession}); !errors.Is(err, want) {
		t.Errorf("revoke at %s: %v, want %v", node, err, want)
	}
}

// wantInspected asks an operator's question about the token, good or not.
func (u *usage) wantInspected(t *testing.T, node, token string) {
	t.Helper()
	if _, err := u.at(u.operator, node).Inspect(t.Context(), &pb.InspectRequest{Token: token}); err != nil {
		t.Errorf("inspect at %s: %v", node, err)
	}
}

func (u *usage) delegate(t *testing.T, node, token string) {
	t.Helper()
	c := u.dial(t, u.anyone())
	defer c.Close()
	delegated, err := u.at(c, node).Delegate(bearer(t.Context(), token), &pb.DelegateRequest{Path: secretData, Operations: []string{"Read"}})
	if err != nil {
		t.Fatal(err)
	}
	u.issued(t, "delegate", delegated.Token)
	u.wantInspected(t, node, delegated.Token)
	u.wantAs(t, node, delegated.Token, fault.Unauthenticated)
}

// certify uses the certificate of the principal.
func (u *usage) certify(t *testing.T, node string) {
	t.Helper()
	c := u.dial(t, u.certified)
	defer c.Close()
	if _, err := u.at(c, node).Whoami(t.Context(), &pb.WhoamiRequest{}); err != nil {
		t.Errorf("whoami with a certificate at %s: %v", node, err)
	}
}

// misuse shows secrets where they are of no use.
func (u *usage) misuse(t *testing.T, node string) {
	t.Helper()
	if _, err := u.askLogin(t, node, u.stranger); !errors.Is(err, fault.Unauthenticated) {
		t.Errorf("login with the key of nobody at %s: %v, want %v", node, err, fault.Unauthenticated)
	}
	if _, err := u.askSSH(t, node, u.stranger); err == nil {
		t.Errorf("ssh with the key of nobody at %s: no error", node)
	}
	for _, algorithm := range []string{"RS256", "EdDSA", "none"} {
		if err := u.putIssuer(t.Context(), algorithm); !errors.Is(err, fault.Invalid) {
			t.Errorf("a secret as a key for %s: %v, want %v", algorithm, err, fault.Invalid)
		}
	}
}

// bearer gives a context for calls of who shows the token. A client that has it
// itself would find out that it is a bad one, and say so.
func bearer(ctx context.Context, token string) context.Context {
	return metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+token)
}
