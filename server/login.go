package server

import (
	"context"
	"crypto/subtle"
	"errors"
	"log/slog"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"acquired/client"
	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/sshlogin"
	"acquired/server/token"
)

const (
	// hostKeyFile is in the data directory.
	hostKeyFile = "ssh_host_key"
	// loginSkew is how far the clock of who logs in may be from the node's.
	loginSkew = time.Minute
	// loginsPerSecond bounds what anybody can make a node verify.
	loginsPerSecond, loginBurst = 50, 100
	// nonceBytes is the length of a nonce, maxNonces how many a node remembers.
	nonceBytes, maxNonces = 16, 1 << 16
)

// logins remembers what was shown lately, so that it is not shown again.
type logins struct {
	rate *rate.Limiter

	mu   sync.Mutex
	seen map[string]time.Time // nonce to when it can be forgotten
}

func newLogins() *logins {
	return &logins{rate: rate.NewLimiter(loginsPerSecond, loginBurst), seen: make(map[string]time.Time)}
}

// use says whether the nonce is new, and remembers it.
func (l *logins) use(nonce []byte, now time.Time) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if _, ok := l.seen[string(nonce)]; ok {
		return errLogin()
	}
	if len(l.seen) >= maxNonces {
		for old, until := range l.seen {
			if until.Before(now) {
				delete(l.seen, old)
			}
		}
	}
	if len(l.seen) >= maxNonces {
		return busy("%d logins within %s", maxNonces, 2*loginSkew)
	}
	l.seen[string(nonce)] = now.Add(2 * loginSkew)
	return nil
}

// forget lets the nonce be used again.
func (l *logins) forget(nonce []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	delete(l.seen, string(nonce))
}

// errLogin is the one answer to who did not prove a key, whatever the reason: it
// does not say whether there is such a principal.
func errLogin() error {
	return fault.Unauthenticated.New("the login is refused: no such principal, not one of its keys, a bad signature, or a clock more than %s off", loginSkew)
}

// Login gives a credential to who signs with an ssh key of the principal.
func (s *identityService) Login(ctx context.Context, req *pb.LoginRequest) (*pb.Credential, error) {
	n, now := s.node, time.Now()
	if !n.logins.rate.AllowN(now, 1) {
		return nil, busy("more than %d logins a second", loginsPerSecond)
	}
	key, err := ssh.ParsePublicKey(req.PublicKey)
	if err != nil || len(req.Nonce) != nonceBytes || len(req.Principal) > path.MaxLength {
		return nil, errLogin()
	}
	if at := time.Unix(req.Unix, 0); at.Before(now.Add(-loginSkew)) || at.After(now.Add(loginSkew)) {
		return nil, errLogin()
	}
	var signature ssh.Signature
	if err := ssh.Unmarshal(req.Signature, &signature); err != nil {
		return nil, errLogin()
	}
	statement := client.LoginStatement(n.config.Cluster, req.Principal, req.Unix, req.Nonce)
	// ssh-rsa is the signature with SHA-1.
	if signature.Format == ssh.KeyAlgoRSA || key.Verify(statement, &signature) != nil {
		return nil, errLogin()
	}
	if err := n.logins.use(req.Nonce, now); err != nil {
		return nil, err
	}
	credential, err := n.login(ctx, req.Principal, key)
	if fault.KindOf(err) == fault.Unavailable {
		n.logins.forget(req.Nonce) // it is to be sent again
	}
	return credential, err
}

// login gives a credential to who proved the key, if it is one of the principal's
// in the newest state of the cluster.
func (n *Node) login(ctx context.Context, principal string, key ssh.PublicKey) (*pb.Credential, error) {
	v, err := n.newest(ctx, command.Caller{})
	if err != nil {
		return nil, err
	}
	defer v.Close()
	p, known := knownKey(v, principal, key)
	if !known {
		return nil, errLogin()
	}
	claims := token.Claims{ID: token.NewID(), Subject: string(p), Method: command.BySSH}
	return n.issue(ctx, v, claims, sshLifetime, 0)
}

// knownKey says whether the key is one of the principal's. A principal that does
// not exist takes as long as one without keys.
func knownKey(v *command.Reading, principal string, key ssh.PublicKey) (p path.Path, known bool) {
	p, err := identity.ParsePrincipal(principal)
	if err != nil {
		return "", false
	}
	offered := key.Marshal()
	for _, line := range identity.SSHKeys(v, p, v.Time) {
		stored, err := sshlogin.ParseAuthorizedKey(line)
		if err == nil && subtle.ConstantTimeCompare(stored.Marshal(), offered) == 1 {
			known = true
		}
	}
	return p, known
}

// startSSH serves logins with the ssh program.
func (n *Node) startSSH(ctx context.Context) error {
	if n.config.SSHListen == "" {
		return nil
	}
	hostKey, err := sshlogin.LoadOrCreateHostKey(n.data.in(hostKeyFile))
	if err != nil {
		return err
	}
	listener, err := n.config.ListenFunc(ctx, n.config.SSHListen)
	if err != nil {
		return err
	}
	n.ssh, err = sshlogin.Start(sshlogin.Config{
		Listener: listener, HostKey: hostKey, Log: n.log,
		Known: func(_ context.Context, principal string, key ssh.PublicKey) bool {
			v := n.machine.View(command.Caller{})
			defer v.Close()
			_, known := knownKey(v, principal, key)
			return known
		},
		Issue: func(ctx context.Context, principal string, key ssh.PublicKey) (string, error) {
			credential, err := n.login(ctx, principal, key)
			if err != nil {
				return "", err
			}
			return credential.Token, nil
		},
	})
	if err != nil {
		return errors.Join(err, listener.Close())
	}
	n.log.LogAttrs(ctx, slog.LevelInfo, "ssh login", slog.String("address", n.ssh.Addr().String()))
	return nil
}
