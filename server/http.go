package server

import (
	"context"
	"crypto/ed25519"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus/promhttp"

	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/server/token"
)

// startHTTP serves health, metrics and the public keys of credentials and
// documents: what monitors, data services and holders of documents ask, and nothing
// that changes anything.
func (n *Node) startHTTP(ctx context.Context) error {
	if n.config.HTTPListen == "" {
		return nil
	}
	listener, err := n.config.ListenFunc(ctx, n.config.HTTPListen)
	if err != nil {
		return err
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", n.healthz)
	mux.HandleFunc("GET /readyz", n.readyz)
	mux.HandleFunc("GET /.well-known/jwks.json", n.jwks)
	mux.HandleFunc("GET /.well-known/acquired-document-keys", n.documentKeys)
	mux.Handle("GET /metrics", promhttp.HandlerFor(n.metrics.registry, promhttp.HandlerOpts{MaxRequestsInFlight: 4}))
	n.http = &http.Server{
		Handler: mux, ErrorLog: httpLog(n.log), MaxHeaderBytes: 16 << 10,
		ReadHeaderTimeout: 5 * time.Second, ReadTimeout: 10 * time.Second, WriteTimeout: 30 * time.Second, IdleTimeout: time.Minute,
	}
	n.httpAddress = listener.Addr().String()
	n.running.Go(func() {
		if err := n.http.Serve(listener); err != http.ErrServerClosed {
			n.log.LogAttrs(n.life, slog.LevelError, "HTTP ended", slog.Any("error", err))
		}
	})
	return nil
}

// healthz: the process works and its disk answers.
func (n *Node) healthz(w http.ResponseWriter, _ *http.Request) {
	if n.stalled() {
		http.Error(w, "a write to the log is stalled", http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// readyz: the node is part of a cluster that has a leader.
func (n *Node) readyz(w http.ResponseWriter, _ *http.Request) {
	if reason := n.notReady(); reason != "" {
		http.Error(w, reason, http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintln(w, "ok")
}

// notReady says why the node cannot serve, or "".
func (n *Node) notReady() string {
	switch {
	case n.stopping.Load():
		return "the node is stopping"
	case n.raft.Load() == nil:
		return "the node is not part of a cluster yet"
	case n.stalled():
		return "a write to the log is stalled"
	case n.leaderID() == "":
		return "the cluster has no leader"
	case n.isLeader() && n.machine.Position().Term != n.raft.Load().CurrentTerm():
		return "the leader has only just been elected"
	}
	return ""
}

// jwks gives the keys by which the credentials of the cluster are verified, as a
// JWK Set (RFC 7517).
func (n *Node) jwks(w http.ResponseWriter, r *http.Request) {
	v := n.machine.View(command.Caller{})
	defer v.Close()
	var keys []ed25519.PublicKey
	for _, k := range identity.Keys(v) {
		if !k.Revoked {
			keys = append(keys, k.Public)
		}
	}
	set, err := token.JWKS(keys)
	if err != nil {
		n.log.LogAttrs(r.Context(), slog.LevelError, "key set", slog.Any("error", err))
		http.Error(w, "the keys cannot be shown", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/jwk-set+json")
	// A key is published for at least as long before it signs.
	age := min(15*time.Minute, published(n.config.Timing.KeyRotation))
	w.Header().Set("Cache-Control", fmt.Sprintf("max-age=%d", int(age.Seconds())))
	w.Write(set)
}
