package gossip

import (
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"time"
)

const (
	logWindow = time.Minute
	maxLines  = 100 // a window
	maxLine   = 1024
)

// A logger hands memberlist's lines and ours to slog, within a bound, since
// whoever can send a packet can cause a line: in a minute it logs a line once,
// and 100 lines at most. It drops the others; the next line it logs says how
// many.
type logger struct {
	mu      sync.Mutex
	to      *slog.Logger
	closed  bool
	begin   time.Time // of the window
	logged  map[string]struct{}
	dropped int
}

func newLogger(to *slog.Logger) *logger {
	if to == nil {
		to = slog.New(slog.DiscardHandler)
	}
	return &logger{to: to, logged: make(map[string]struct{})}
}

// Write logs a line of memberlist.
func (l *logger) Write(line []byte) (int, error) {
	level, text := parseLine(string(line))
	l.log(level, "memberlist", slog.String("line", text))
	return len(line), nil
}

// levels are memberlist's.
var levels = map[string]slog.Level{
	"[DEBUG]": slog.LevelDebug,
	"[INFO]":  slog.LevelInfo,
	"[WARN]":  slog.LevelWarn,
	"[ERR]":   slog.LevelError,
	"[ERROR]": slog.LevelError,
}

// parseLine splits a line such as "[WARN] memberlist: something".
func parseLine(line string) (slog.Level, string) {
	text := strings.TrimSpace(line)
	prefix, rest, _ := strings.Cut(text, " ")
	level, known := levels[prefix]
	if !known {
		// memberlist has a few without, all of them of errors.
		level, rest = slog.LevelError, text
	}
	rest = strings.TrimPrefix(rest, "memberlist: ")
	if len(rest) > maxLine {
		rest = strings.ToValidUTF8(rest[:maxLine], "")
	}
	return level, rest
}

func (l *logger) log(level slog.Level, message string, attrs ...slog.Attr) {
	ctx := context.Background()
	if !l.to.Enabled(ctx, level) {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.admits(fmt.Sprint(message, attrs)) {
		return
	}
	if l.dropped > 0 {
		attrs = append(attrs, slog.Int("dropped", l.dropped))
		l.dropped = 0
	}
	l.to.LogAttrs(ctx, level, message, attrs...)
}

// admits answers whether the line may be logged, and notes that it is.
func (l *logger) admits(line string) bool {
	if l.closed {
		return false
	}
	if now := time.Now(); now.Sub(l.begin) >= logWindow {
		l.begin = now
		clear(l.logged)
	}
	if _, known := l.logged[line]; known || len(l.logged) >= maxLines {
		l.dropped++
		return false
	}
	l.logged[line] = struct{}{}
	return true
}

// close ends the log: memberlist's goroutines may outlive it a little, and
// what they tell then is of their own end.
func (l *logger) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}
