package server_test

import (
	"context"
	"log/slog"
	"sync"

	"acquired/server"
	"acquired/server/servertest"
)

// logCounts counts the lines of a log by message.
type logCounts struct {
	mu    sync.Mutex
	lines map[string]int
}

// count gives a handler that counts what it hands on.
func (c *logCounts) count(to slog.Handler) slog.Handler { return countingHandler{to, c} }

func (c *logCounts) of(message string) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.lines[message]
}

type countingHandler struct {
	slog.Handler
	counts *logCounts
}

func (h countingHandler) Handle(ctx context.Context, record slog.Record) error {
	h.counts.mu.Lock()
	if h.counts.lines == nil {
		h.counts.lines = make(map[string]int)
	}
	h.counts.lines[record.Message]++
	h.counts.mu.Unlock()
	return h.Handler.Handle(ctx, record)
}

func (h countingHandler) WithAttrs(attrs []slog.Attr) slog.Handler {
	return countingHandler{h.Handler.WithAttrs(attrs), h.counts}
}

// shortLogCounted is servertest.ShortLog with a log that is counted.
func shortLogCounted(counts *logCounts) func(*server.Config) {
	return func(c *server.Config) {
		servertest.ShortLog(c)
		c.Log = slog.New(counts.count(c.Log.Handler()))
	}
}
