package server

import (
	"context"
	"fmt"
	"io"
	"log"
	"log/slog"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
)

// raftLog hands what raft says to slog. Raft tells every state change of its
// own at info; to a node's log that is detail.
func raftLog(to *slog.Logger) hclog.Logger {
	logger := hclog.NewInterceptLogger(&hclog.LoggerOptions{Name: "raft", Level: hclog.Info, Output: io.Discard})
	logger.RegisterSink(&raftSink{to: to, said: make(map[string]time.Time)})
	return logger
}

// raftSink says each message once in a while: raft repeats what it has to say of
// a node that is down more than once a second.
type raftSink struct {
	to   *slog.Logger
	mu   sync.Mutex
	said map[string]time.Time // when each message was said last; raft's messages are constants
}

// repeatInterval is the least time between two lines with one message; those
// between are for debugging.
const repeatInterval = 10 * time.Second

func (s *raftSink) repeats(message string, now time.Time) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if last, ok := s.said[message]; ok && now.Sub(last) < repeatInterval {
		return true
	}
	s.said[message] = now
	return false
}

// Accept implements hclog.SinkAdapter.
func (s *raftSink) Accept(_ string, level hclog.Level, message string, args ...any) {
	to := slog.LevelDebug
	switch level {
	case hclog.Warn:
		to = slog.LevelInfo
	case hclog.Error:
		to = slog.LevelWarn
	}
	if to > slog.LevelDebug && s.repeats(message, time.Now()) {
		to = slog.LevelDebug
	}
	ctx := context.Background()
	if !s.to.Enabled(ctx, to) {
		return
	}
	attrs := []slog.Attr{slog.String("message", message)}
	for i := 0; i+1 < len(args); i += 2 {
		attrs = append(attrs, slog.String(fmt.Sprint(args[i]), fmt.Sprint(args[i+1])))
	}
	s.to.LogAttrs(ctx, to, "raft", attrs...)
}

// httpLog hands what net/http says to slog.
func httpLog(to *slog.Logger) *log.Logger { return slog.NewLogLogger(to.Handler(), slog.LevelDebug) }
