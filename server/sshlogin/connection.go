package sshlogin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strconv"
	"sync"

	"golang.org/x/crypto/ssh"
)

// MaxPrincipal is how many bytes a principal may have. Known is not asked about
// longer ones.
const MaxPrincipal = 600

const (
	serverVersion = "SSH-2.0-acquired"
	// maxLogged is how many bytes of what a client sent go into a line of the log.
	maxLogged = 200

	// What the library keeps of a proof with the connection. Names that it knows
	// itself would change what it accepts.
	provedPrincipal = "principal@acquired"
	provedKey       = "key@acquired"
)

var (
	// Exchanges on curves alone: those modulo a prime cost the server a hundred
	// times more, before it knows anything of the client.
	keyExchanges = []string{
		ssh.KeyExchangeMLKEM768X25519, ssh.KeyExchangeCurve25519,
		ssh.KeyExchangeECDHP256, ssh.KeyExchangeECDHP384, ssh.KeyExchangeECDHP521,
	}
	// pacedConn can read the lengths of these.
	ciphers = []string{ssh.CipherAES128GCM, ssh.CipherAES256GCM}

	// errRefused is all that a refused key is told, and why is not logged either:
	// only Known knows.
	errRefused = errors.New("key refused")
)

// A login is one connection.
type login struct {
	server *Server
	conn   *pacedConn
	named  string // the principal that the client named last, for the log
}

func (s *Server) serve(conn net.Conn) {
	l := &login{server: s, conn: newPacedConn(conn)}
	defer l.conn.Close()
	proved, channels, requests, err := l.prove()
	if err != nil {
		l.logRefused(err)
		return
	}
	l.serveSession(proved, channels, requests)
}

// timed gives a context of the length of the handshake. When it ends, so does
// the connection.
func (l *login) timed() (ctx context.Context, stop func()) {
	ctx, cancel := context.WithTimeout(l.server.running, l.server.limits.HandshakeTimeout)
	detach := context.AfterFunc(ctx, func() { _ = l.conn.Close() })
	return ctx, func() {
		detach()
		cancel()
	}
}

func (l *login) prove() (*ssh.ServerConn, <-chan ssh.NewChannel, <-chan *ssh.Request, error) {
	ctx, stop := l.timed()
	defer stop()
	config := &ssh.ServerConfig{
		Config:                  ssh.Config{KeyExchanges: keyExchanges, Ciphers: ciphers},
		PublicKeyAuthAlgorithms: signatures,
		MaxAuthTries:            l.server.limits.KeysTried,
		ServerVersion:           serverVersion,
		PublicKeyCallback: func(client ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
			l.named = client.User()
			return l.offered(ctx, client.User(), key)
		},
		AuthLogCallback: func(client ssh.ConnMetadata, _ string, _ error) { l.named = client.User() },
	}
	config.AddHostKey(l.server.config.HostKey)
	proved, channels, requests, err := ssh.NewServerConn(l.conn, config)
	if err != nil && ctx.Err() != nil {
		err = ctx.Err() // the library only saw the connection closed
	}
	return proved, channels, requests, err
}

// offered says whether a proof of the key would be one of the principal. The
// client may go on to prove another key: only what is in the permissions that
// the library keeps of the proof itself was proved.
func (l *login) offered(ctx context.Context, principal string, key ssh.PublicKey) (*ssh.Permissions, error) {
	if len(principal) > MaxPrincipal || checkKey(key) != nil || !l.server.config.Known(ctx, principal, key) {
		return nil, errRefused
	}
	return &ssh.Permissions{Extensions: map[string]string{
		provedPrincipal: principal,
		provedKey:       string(key.Marshal()),
	}}, nil
}

// serveSession answers one session and refuses all else, until the connection
// ends. The library waits for each channel and request to be taken.
func (l *login) serveSession(proved *ssh.ServerConn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request) {
	ctx, stop := l.timed()
	defer stop()
	var working sync.WaitGroup
	defer working.Wait()
	working.Go(func() {
		for request := range requests {
			l.reply(request, false)
		}
	})
	taken := false
	for offered := range channels {
		if taken || offered.ChannelType() != "session" {
			_ = offered.Reject(ssh.Prohibited, "one session is served and nothing else")
			continue
		}
		channel, asked, err := offered.Accept()
		if err != nil {
			continue // the connection ended, and so will channels
		}
		taken = true
		working.Go(func() {
			l.serveRequests(ctx, proved.Permissions, channel, asked)
			_ = l.conn.Close()
		})
	}
}

func (l *login) serveRequests(ctx context.Context, proved *ssh.Permissions, channel ssh.Channel, asked <-chan *ssh.Request) {
	newline := "\n"
	answered := false
	for request := range asked {
		switch {
		case answered:
			l.reply(request, false)
		case request.Type == "pty-req":
			newline = "\r\n" // nothing at the client's side adds the CR
			l.reply(request, true)
		case request.Type == "shell", request.Type == "exec":
			answered = true
			l.reply(request, true)
			l.answer(ctx, proved, channel, newline)
		default:
			l.reply(request, false)
		}
	}
}

func (l *login) reply(request *ssh.Request, ok bool) {
	if !request.WantReply {
		l.conn.used()
		return
	}
	_ = request.Reply(ok, nil) // it fails if the connection ended
}

// answer gives the client its credential and leaves it to the client to end the
// connection: to end it here could lose what is on the way. Writing fails if
// the connection ended, which the client notices itself.
func (l *login) answer(ctx context.Context, proved *ssh.Permissions, channel ssh.Channel, newline string) {
	var status struct{ Code uint32 }
	credential, err := l.issue(ctx, proved)
	if err == nil {
		_, _ = channel.Write([]byte(credential + newline))
	} else {
		status.Code = 1
		_, _ = channel.Stderr().Write([]byte("acquired: no credential was issued" + newline))
	}
	_ = channel.CloseWrite()
	_, _ = channel.SendRequest("exit-status", false, ssh.Marshal(&status))
	_ = channel.Close()
	l.conn.drain()
}

// issue gives the credential of what was proved.
func (l *login) issue(ctx context.Context, proved *ssh.Permissions) (string, error) {
	principal := proved.Extensions[provedPrincipal]
	key, err := ssh.ParsePublicKey([]byte(proved.Extensions[provedKey]))
	if err != nil {
		return "", fmt.Errorf("parse proved key: %w", err)
	}
	credential, err := l.server.config.Issue(ctx, principal, key)
	attributes := append(l.attributes(principal), slog.String("key", ssh.FingerprintSHA256(key)))
	if err != nil {
		l.server.config.Log.LogAttrs(ctx, slog.LevelWarn, "ssh login got no credential", append(attributes, slog.Any("error", err))...)
		return "", err
	}
	l.server.config.Log.LogAttrs(ctx, slog.LevelInfo, "ssh login accepted", attributes...)
	return credential, nil
}

// logRefused tells of a connection that proved nothing. One that did not even
// name a principal, such as a scan of ports, is told at the level of debugging.
func (l *login) logRefused(err error) {
	level := slog.LevelInfo
	if l.named == "" {
		level = slog.LevelDebug
	}
	l.server.config.Log.LogAttrs(l.server.running, level, "ssh login refused",
		append(l.attributes(l.named), slog.String("error", quoted(err.Error())))...)
}

func (l *login) attributes(principal string) []slog.Attr {
	return []slog.Attr{
		slog.String("source", l.conn.RemoteAddr().String()),
		slog.String("principal", quoted(principal)),
	}
}

// quoted gives what a client sent in a form that is safe in a log.
func quoted(text string) string {
	return strconv.QuoteToASCII(text[:min(len(text), maxLogged)])
}
