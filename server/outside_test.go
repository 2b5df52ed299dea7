package server_test

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// outsider is an identity provider that is not ours.
type outsider struct {
	method jwt.SigningMethod
	// private signs; public is what the cluster is given.
	private any
	public  []byte
}

const outsideSecret = "a secret of an identity provider, 40 bytes"

func outsiders(t *testing.T) []outsider {
	t.Helper()
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return []outsider{
		{jwt.SigningMethodRS256, big, publicPEM(t, big)},
		{jwt.SigningMethodES256, curve, publicPEM(t, curve)},
		{jwt.SigningMethodEdDSA, ed, publicPEM(t, ed)},
		{jwt.SigningMethodHS256, []byte(outsideSecret), []byte(outsideSecret)},
	}
}

func publicPEM(t *testing.T, key crypto.Signer) []byte {
	t.Helper()
	encoded, err := x509.MarshalPKIXPublicKey(key.Public())
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: encoded})
}

func (o *outsider) name() string { return "https://" + o.method.Alg() + ".example" }

// trust is the request that makes the cluster trust the outsider.
func (o *outsider) trust() *pb.PutIssuerRequest {
	return &pb.PutIssuerRequest{Keys: o.public, Issuer: &pb.Issuer{
		Issuer: o.name(), Audience: "acquired", Algorithm: o.method.Alg(), Subject: "/user/outside/{sub}",
		Scopes: []*pb.ScopeRoles{{Scope: "billing", Roles: []string{roleFor("Read")}}},
	}}
}

// token signs one for the subject.
func (o *outsider) token(t *testing.T, subject, scope string, change ...func(jwt.MapClaims)) string {
	t.Helper()
	claims := jwt.MapClaims{
		"iss": o.name(), "aud": "acquired", "sub": subject, "iat": time.Now().Unix(), "exp": time.Now().Add(time.Hour).Unix(),
	}
	if scope != "" {
		claims["scope"] = scope
	}
	for _, one := range change {
		one(claims)
	}
	text, err := jwt.NewWithClaims(o.method, claims).SignedString(o.private)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func putIssuer(t *testing.T, cluster *servertest.Cluster, node string, req *pb.PutIssuerRequest) {
	t.Helper()
	if _, err := cluster.Dial(node).Identity.PutIssuer(t.Context(), req); err != nil {
		t.Fatal(err)
	}
}

// catchUp returns when the node knows what was done before.
func catchUp(t *testing.T, cluster *servertest.Cluster, node string) {
	t.Helper()
	if _, err := cluster.Dial(node).Identity.Whoami(client.WithRead(t.Context(), client.Latest), &pb.WhoamiRequest{}); err != nil {
		t.Fatal(err)
	}
}

// rolesOf gives the roles that a node says the bearer holds.
func (b *bearers) rolesOf(t *testing.T, node, token string) (roles []string) {
	t.Helper()
	res, err := b.whoami(t.Context(), node, token, client.Latest)
	if err != nil {
		t.Error(err)
	}
	for _, r := range res.GetRoles() {
		roles = append(roles, r.Path)
	}
	return roles
}

// TestOutsideIssuers: tokens of an issuer are good while it is trusted, for the
// principals that it may name and the roles that its scopes give.
func TestOutsideIssuers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		govern(t, cluster)
		cluster.Principal("/user/outside/bob", roleFor("View"))
		cluster.Principal("/user/admin", roleFor("Admin"))
		all := newBearers(t, cluster)
		for i, o := range outsiders(t) {
			alg := o.method.Alg()
			all.wantEnded(t, alg+" before it is trusted", o.token(t, "bob", ""), "issuer of the token is not trusted")
			putIssuer(t, cluster, cluster.IDs()[i%3], o.trust())
			plain, scoped := o.token(t, "bob", ""), o.token(t, "bob", "billing other")
			all.wantGood(t, alg, plain, "/user/outside/bob")
			for _, id := range cluster.IDs() {
				if roles, want := all.rolesOf(t, id, plain), []string{roleFor("View")}; !slices.Equal(roles, want) {
					t.Errorf("%s: %s says the bearer holds %v, want %v", alg, id, roles, want)
				}
				if roles, want := all.rolesOf(t, id, scoped), []string{roleFor("Read"), roleFor("View")}; !slices.Equal(roles, want) {
					t.Errorf("%s: %s says the bearer with the scope holds %v, want %v", alg, id, roles, want)
				}
			}
			o.wantRefused(t, all)

			// The scope loses its role, and the token with it.
			without := o.trust()
			without.Issuer.Scopes = nil
			putIssuer(t, cluster, "node2", without)
			catchUp(t, cluster, "node3")
			if roles, want := all.rolesOf(t, "node3", scoped), []string{roleFor("View")}; !slices.Equal(roles, want) {
				t.Errorf("%s: the bearer holds %v, want %v", alg, roles, want)
			}
			if _, err := cluster.Dial("node1").Identity.RemoveIssuer(t.Context(), &pb.RemoveIssuerRequest{Issuer: o.name()}); err != nil {
				t.Fatal(err)
			}
			all.wantEnded(t, alg+" is trusted no more", plain, "issuer of the token is not trusted")
		}
	})
}

// wantRefused makes tokens that the issuer signed and that are good for nothing.
func (o *outsider) wantRefused(t *testing.T, all *bearers) {
	t.Helper()
	alg := o.method.Alg()
	for _, subject := range []string{"..", ".", "", "/", "../admin", "bob/../../admin", "bob/", "{sub}", "a b", "bob\x00", "%2e%2e"} {
		if _, err := all.whoami(t.Context(), "node1", o.token(t, subject, ""), client.Latest); fault.KindOf(err) != fault.Unauthenticated {
			t.Errorf("%s: the subject %q: %v, want it unauthenticated", alg, subject, err)
		}
	}
	for says, change := range map[string]func(jwt.MapClaims){
		"gone":           func(c jwt.MapClaims) { c["sub"] = "nobody" },
		"audience":       func(c jwt.MapClaims) { c["aud"] = "acquired:test" },
		"expired":        func(c jwt.MapClaims) { c["iat"], c["exp"] = time.Now().Unix()-7200, time.Now().Unix()-3600 },
		"lifetime":       func(c jwt.MapClaims) { c["exp"] = time.Now().Add(25 * time.Hour).Unix() },
		"in the future":  func(c jwt.MapClaims) { c["iat"] = time.Now().Unix() + 120 },
		"no expiry":      func(c jwt.MapClaims) { delete(c, "exp") },
		"not trusted":    func(c jwt.MapClaims) { c["iss"] = "https://other.example" },
		"not known here": nil,
	} {
		token := ""
		if change != nil {
			token = o.token(t, "bob", "", change)
		} else { // as if it were a credential of the cluster
			token = bySecret(t, o.public, jwt.MapClaims{"iss": "acquired:test", "aud": "acquired:test", "sub": "bob", "exp": time.Now().Unix() + 60})
			says = "algorithm is not EdDSA"
		}
		if _, err := all.whoami(t.Context(), "node2", token, client.Latest); !(answer{fault.Unauthenticated, says}).is(err) {
			t.Errorf("%s: %v, want it unauthenticated, %q", alg, err, says)
		}
	}
	if o.method == jwt.SigningMethodHS256 {
		return
	}
	confused := bySecret(t, o.public, jwt.MapClaims{"iss": o.name(), "aud": "acquired", "sub": "bob", "exp": time.Now().Unix() + 60})
	if _, err := all.whoami(t.Context(), "node3", confused, client.Latest); !(answer{fault.Unauthenticated, "algorithm is not " + alg}).is(err) {
		t.Errorf("%s: its public key as a secret: %v", alg, err)
	}
}

// bySecret signs with HS256.
func bySecret(t *testing.T, secret []byte, claims jwt.MapClaims) string {
	t.Helper()
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims).SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// TestOutsideLimits: a token of an outside issuer is revoked like any other proof,
// and lets nobody vouch.
func TestOutsideLimits(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		govern(t, cluster)
		cluster.Principal("/user/outside/bob", roleFor("View"), roleFor("VouchFor"))
		all, issuers := newBearers(t, cluster), outsiders(t)
		o, another := issuers[2], issuers[1]
		putIssuer(t, cluster, "node1", o.trust())
		early := o.token(t, "bob", "")
		if _, err := exchange(t, cluster, "node2", early, "/user/outside/bob", 0); !(answer{fault.Denied, "not enough to vouch"}).is(err) {
			t.Errorf("vouching with a token of an outside issuer: %v", err)
		}
		undated := o.token(t, "bob", "", func(c jwt.MapClaims) { delete(c, "iat") })
		all.wantGood(t, "without a time of issue", undated, "/user/outside/bob")
		wait(t, 2*time.Second)
		revoke(t, cluster, &pb.RevokeRequest{Principal: "/user/outside/bob"})
		all.wantEnded(t, "revoked", early, "revoked")
		all.wantEnded(t, "revoked, without a time of issue", undated, "revoked")
		wait(t, 2*time.Second)
		late := o.token(t, "bob", "")
		all.wantGood(t, "issued behind the revocation", late, "/user/outside/bob")

		// The same issuer has other keys now.
		changed := another.trust()
		changed.Issuer.Issuer = o.name()
		putIssuer(t, cluster, "node3", changed)
		all.wantEnded(t, "the issuer has other keys", late, "")
	})
}

// TestOutsideSecretIsSealed: what verifies tokens of an issuer, and so makes
// them, is nowhere on the disk of a node and in no answer.
func TestOutsideSecretIsSealed(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		operator, o := cluster.Operator(), outsiders(t)[3]
		const canary = "a text that is no secret, of some 40 bytes"
		cluster.Principal("/user/outside/bob")
		cluster.Make(roleFor("Read"))
		cluster.Change(servertest.Text("/user/outside/bob", "note", canary))
		again := client.WithRequestID(t.Context(), "sent-twice")
		for _, id := range cluster.IDs() {
			if _, err := cluster.Dial(id).Identity.PutIssuer(again, o.trust()); err != nil {
				t.Errorf("the same request through %s: %v", id, err)
			}
		}
		newBearers(t, cluster).wantGood(t, "at first", o.token(t, "bob", ""), "/user/outside/bob")
		shown, err := operator.Identity.Issuers(t.Context(), &pb.IssuersRequest{})
		if err != nil || len(shown.Issuers) != 1 || bytes.Contains([]byte(shown.String()), []byte(outsideSecret)) {
			t.Errorf("the issuers are %v, %v", shown, err)
		}
		for _, id := range cluster.IDs() {
			cluster.StopNode(id)
		}
		for _, id := range cluster.IDs() {
			if !onDisk(t, cluster.DataDir(id), canary) {
				t.Errorf("%s has nothing of what it was told on its disk", id)
			}
			if onDisk(t, cluster.DataDir(id), outsideSecret) {
				t.Errorf("%s has the secret on its disk", id)
			}
		}
	})
}

// onDisk says whether a file below the folder has the text in it.
func onDisk(t *testing.T, folder, text string) (found bool) {
	t.Helper()
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		content, err := os.ReadFile(path)
		found = found || bytes.Contains(content, []byte(text))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}
