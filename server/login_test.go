package server_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/ssh"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

// sshKeys makes a key of each kind that people have.
func sshKeys(t *testing.T) map[string]ssh.Signer {
	t.Helper()
	_, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	curve, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	big, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	signers := make(map[string]ssh.Signer)
	for name, key := range map[string]any{"ed25519": ed, "ecdsa": curve, "rsa": big} {
		if signers[name], err = ssh.NewSignerFromKey(key); err != nil {
			t.Fatal(err)
		}
	}
	return signers
}

// authorize writes the public key on the principal.
func authorize(t *testing.T, cluster *servertest.Cluster, principal string, key ssh.PublicKey) {
	t.Helper()
	cluster.Change(servertest.Text(principal, "ssh-pubkey", strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))))
}

// loginRequest is one that is good now, signed with the algorithm; empty is that
// of the key.
func loginRequest(t *testing.T, principal string, key ssh.Signer, algorithm string) *pb.LoginRequest {
	t.Helper()
	req := &pb.LoginRequest{Principal: principal, Unix: time.Now().Unix(), Nonce: make([]byte, 16), PublicKey: key.PublicKey().Marshal()}
	rand.Read(req.Nonce)
	sign(t, req, servertest.ClusterID, key, algorithm)
	return req
}

func sign(t *testing.T, req *pb.LoginRequest, cluster string, key ssh.Signer, algorithm string) {
	t.Helper()
	if algorithm == "" && key.PublicKey().Type() == ssh.KeyAlgoRSA {
		algorithm = ssh.KeyAlgoRSASHA256
	}
	statement := client.LoginStatement(cluster, req.Principal, req.Unix, req.Nonce)
	signature, err := key.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, statement, algorithm)
	if err != nil {
		t.Fatal(err)
	}
	req.Signature = ssh.Marshal(signature)
}

// TestLogin: whoever signs with a key of a principal is that principal, on all
// nodes; of everybody else nothing is said but that they are not.
func TestLogin(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		all, keys := newBearers(t, cluster), sshKeys(t)
		login := func(node string, req *pb.LoginRequest) (*pb.Credential, error) {
			credential, err := pb.NewIdentityClient(all.conns[node]).Login(t.Context(), req)
			return credential, fault.FromGRPC(err)
		}
		cluster.Principal("/user/none")
		for name, key := range keys {
			cluster.Principal("/user/" + name)
			authorize(t, cluster, "/user/"+name, key.PublicKey())
		}
		for i, name := range []string{"ed25519", "ecdsa", "rsa"} {
			credential, err := login(cluster.IDs()[i], loginRequest(t, "/user/"+name, keys[name], ""))
			if err != nil {
				t.Fatalf("login with %s: %v", name, err)
			}
			all.wantGood(t, "login with "+name, credential.Token, "/user/"+name)
			if shown := tokenShown(t, cluster, credential.Token); shown.Method != "ssh" || shown.ExpiresUnix-shown.IssuedUnix != 3600 {
				t.Errorf("login with %s gives %v", name, shown)
			}
		}

		mine, other := keys["ed25519"], keys["ecdsa"]
		good := func() *pb.LoginRequest { return loginRequest(t, "/user/ed25519", mine, "") }
		changed := func(change func(*pb.LoginRequest)) *pb.LoginRequest {
			req := good()
			change(req)
			return req
		}
		at := func(offset time.Duration) *pb.LoginRequest {
			return changed(func(req *pb.LoginRequest) {
				req.Unix = time.Now().Add(offset).Unix()
				sign(t, req, servertest.ClusterID, mine, "")
			})
		}
		replayed := good()
		if _, err := login("node1", replayed); err != nil {
			t.Fatal(err)
		}
		for _, offset := range []time.Duration{-59 * time.Second, 59 * time.Second} {
			if _, err := login("node1", at(offset)); err != nil {
				t.Errorf("a clock that is %s off: %v", offset, err)
			}
		}
		first := ""
		for name, req := range map[string]*pb.LoginRequest{
			"no such principal":        loginRequest(t, "/user/nobody", mine, ""),
			"no principal":             loginRequest(t, "/role/x", mine, ""),
			"no path":                  loginRequest(t, "nonsense", mine, ""),
			"a long path":              loginRequest(t, "/user/"+strings.Repeat("x", 5000), mine, ""),
			"a principal without keys": loginRequest(t, "/user/none", mine, ""),
			"a key of another":         loginRequest(t, "/user/ed25519", other, ""),
			"RSA with SHA-1":           loginRequest(t, "/user/rsa", keys["rsa"], ssh.KeyAlgoRSA),
			"a clock that is behind":   at(-62 * time.Second),
			"a clock that is ahead":    at(62 * time.Second),
			"a login that was used":    replayed,
			"another principal's name": changed(func(req *pb.LoginRequest) { req.Principal = "/user/ecdsa" }),
			"another time":             changed(func(req *pb.LoginRequest) { req.Unix++ }),
			"another nonce":            changed(func(req *pb.LoginRequest) { req.Nonce[0]++ }),
			"a short nonce":            changed(func(req *pb.LoginRequest) { req.Nonce = req.Nonce[1:] }),
			"another cluster":          changed(func(req *pb.LoginRequest) { sign(t, req, "other", mine, "") }),
			"a key that did not sign":  changed(func(req *pb.LoginRequest) { sign(t, req, servertest.ClusterID, other, "") }),
			"another public key":       changed(func(req *pb.LoginRequest) { req.PublicKey = other.PublicKey().Marshal() }),
			"no public key":            changed(func(req *pb.LoginRequest) { req.PublicKey = []byte("x") }),
			"no signature":             changed(func(req *pb.LoginRequest) { req.Signature = nil }),
			"half a signature":         changed(func(req *pb.LoginRequest) { req.Signature = req.Signature[:len(req.Signature)/2] }),
			"nothing":                  {},
		} {
			_, err := login("node1", req)
			if fault.KindOf(err) != fault.Unauthenticated {
				t.Errorf("%s: %v, want it unauthenticated", name, err)
				continue
			}
			if first == "" {
				first = err.Error()
			}
			if err.Error() != first {
				t.Errorf("%s: %q, others are told %q", name, err, first)
			}
		}
	})
}

// TestLoginEnds with the key that is taken away, on all nodes.
func TestLoginEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		key := sshKeys(t)["ed25519"]
		cluster.Principal("/user/alice")
		authorize(t, cluster, "/user/alice", key.PublicKey())
		cluster.Change(&pb.Change{Change: &pb.Change_Unannotate{Unannotate: &pb.Unannotate{Path: "/user/alice", Tag: "ssh-pubkey", Unique: 1}}})
		for _, id := range cluster.IDs() {
			_, err := pb.NewIdentityClient(wireTo(t, cluster, id, nil)).Login(t.Context(), loginRequest(t, "/user/alice", key, ""))
			if fault.KindOf(fault.FromGRPC(err)) != fault.Unauthenticated {
				t.Errorf("%s: login with a key that was taken away: %v", id, err)
			}
		}
	})
}

// TestLoginsAreBounded: strangers make a node verify so many signatures and no
// more.
func TestLoginsAreBounded(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Nodes: 1})
		identity := pb.NewIdentityClient(wireTo(t, cluster, "node1", nil))
		flood := func(ctx context.Context) (refused, busy int) {
			req := &pb.LoginRequest{Principal: "/user/x"}
			for range 300 {
				switch _, err := identity.Login(ctx, req); fault.KindOf(fault.FromGRPC(err)) {
				case fault.Unauthenticated:
					refused++
				case fault.Unavailable:
					busy++
				default:
					t.Errorf("a login in a flood: %v", err)
				}
			}
			return refused, busy
		}
		if refused, busy := flood(t.Context()); refused != 100 || busy != 200 {
			t.Errorf("of 300 logins at once %d were looked at and %d not, want 100 and 200", refused, busy)
		}
		wait(t, time.Second)
		if refused, busy := flood(t.Context()); refused != 50 || busy != 250 {
			t.Errorf("of 300 logins a second later %d were looked at and %d not, want 50 and 250", refused, busy)
		}
	})
}
