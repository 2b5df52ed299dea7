// Package sshlogin is an ssh server that does one thing: whoever proves a key of
// a principal gets one credential, and the connection is closed.
//
//	TOKEN=$(ssh -p PORT -l /user/hpe/alice HOST)
//
// The name to log in as is the principal. A shell and any command are answered
// with the credential and a newline on standard output and exit status 0, or
// with one line on standard error and status 1. Nothing else is served: no other
// method than public keys, no forwarding, no subsystem. A terminal is granted,
// as people ask for one without knowing, and gets its lines with CR LF.
//
// The client learns of a refused key only that it was refused: the answer is the
// same for a principal that does not exist, that has no keys, or other keys.
//
// Strangers reach this port. A connection has a time, keys and bytes that it may
// use up, and a source its share of the connections, so that a flood fills its
// own bounds. To hold these bounds the server offers only part of what the
// library can: see the algorithms in connection.go. A panic is not recovered: it
// would be a bug, and the library's own goroutines could not be held anyway.
package sshlogin

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/time/rate"

	"acquired/proto/fault"
)

// Config says what a Server serves. All but Log and Limits are required.
type Config struct {
	// Listener gives the connections. A Server that was started owns it.
	Listener net.Listener
	// HostKey proves the server to its clients.
	HostKey ssh.Signer
	// Known says whether the key is one of the principal's now. It is called for
	// keys that were offered and not proved, so it must change nothing, and must
	// take as long for principals that do not exist. The principal is what the
	// client sent: any bytes, at most MaxPrincipal. It must end when ctx does.
	Known func(ctx context.Context, principal string, key ssh.PublicKey) bool
	// Issue makes the credential of the principal that proved the key. It is
	// called at most once a connection, when the client has asked for a session.
	// The key may have been taken away since Known: Issue has to refuse then. It
	// must end when ctx does. Its error is logged and not sent.
	Issue func(ctx context.Context, principal string, key ssh.PublicKey) (string, error)
	// Log takes a line for each login and each refusal, with no credential in
	// them. Nil discards it.
	Log *slog.Logger
	// Limits bound what clients may use.
	Limits Limits
}

func (c Config) check() error {
	switch {
	case c.Listener == nil:
		return fault.Invalid.New("ssh login has no Listener")
	case c.HostKey == nil:
		return fault.Invalid.New("ssh login has no HostKey")
	case c.Known == nil:
		return fault.Invalid.New("ssh login has no Known")
	case c.Issue == nil:
		return fault.Invalid.New("ssh login has no Issue")
	}
	return nil
}

// Server serves ssh logins until it is closed.
type Server struct {
	config    Config
	limits    Limits
	admission *admission

	// running ends when Close begins. All that is called for a connection is
	// given a context that ends with it.
	running context.Context
	end     context.CancelFunc
	// stopped is closed when nothing of the server runs.
	stopped     chan struct{}
	connections sync.WaitGroup

	// Of the goroutine that accepts: connections turned away since the last line.
	turnedAway int
	telling    rate.Sometimes
}

// Start serves the connections of the listener. A Config that cannot be served
// is fault.Invalid; the listener is then still the caller's.
func Start(config Config) (*Server, error) {
	if err := config.check(); err != nil {
		return nil, err
	}
	limits, err := config.Limits.complete()
	if err != nil {
		return nil, err
	}
	if config.Log == nil {
		config.Log = slog.New(slog.DiscardHandler)
	}
	s := &Server{
		config:    config,
		limits:    limits,
		admission: newAdmission(limits),
		stopped:   make(chan struct{}),
		telling:   rate.Sometimes{Interval: time.Second},
	}
	s.running, s.end = context.WithCancel(context.Background())
	go s.run()
	return s, nil
}

// Addr gives the address of the listener.
func (s *Server) Addr() net.Addr { return s.config.Listener.Addr() }

// Close stops listening, ends the connections and waits until nothing of the
// server runs, or for ctx. It may be called again.
func (s *Server) Close(ctx context.Context) error {
	s.end()
	_ = s.config.Listener.Close() // an error says that it is closed
	select {
	case <-s.stopped:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("close ssh login: %w", context.Cause(ctx))
	}
}

const (
	firstPause = 5 * time.Millisecond
	lastPause  = time.Second
)

func (s *Server) run() {
	defer close(s.stopped)
	defer s.connections.Wait()
	pause := firstPause
	for {
		conn, err := s.config.Listener.Accept()
		switch {
		case err == nil:
			pause = firstPause
			s.take(conn)
		case s.running.Err() != nil:
			return
		case errors.Is(err, net.ErrClosed):
			s.config.Log.LogAttrs(s.running, slog.LevelError, "ssh listener was closed", slog.Any("error", err))
			return
		default:
			s.config.Log.LogAttrs(s.running, slog.LevelWarn, "ssh connection not accepted", slog.Any("error", err))
			s.wait(pause)
			pause = min(2*pause, lastPause)
		}
	}
}

func (s *Server) wait(pause time.Duration) {
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-s.running.Done():
	}
}

// take serves the connection if its source and all together leave room for it.
func (s *Server) take(conn net.Conn) {
	from := sourceOf(conn.RemoteAddr())
	if full := s.admission.admit(from); full != "" {
		_ = conn.Close()
		s.turnedAway++
		s.telling.Do(func() {
			s.config.Log.LogAttrs(s.running, slog.LevelWarn, "ssh connections turned away",
				slog.Int("count", s.turnedAway), slog.String("source", conn.RemoteAddr().String()), slog.String("limit", full))
			s.turnedAway = 0
		})
		return
	}
	s.connections.Go(func() {
		defer s.admission.release(from)
		s.serve(conn)
	})
}
