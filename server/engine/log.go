package engine

import (
	"context"
	"fmt"
	"log/slog"
)

// logger is where Pebble logs, and where it goes when it cannot go on.
type logger struct {
	engine *Pebble
	log    *slog.Logger
}

func (l logger) Infof(format string, args ...any)  { l.debug(format, args) }
func (l logger) Errorf(format string, args ...any) { l.debug(format, args) }

func (l logger) Fatalf(format string, args ...any) {
	l.engine.fail("internal", fmt.Errorf(format, args...))
}

// debug is for Pebble, which has no context to pass and formats its events even
// when nobody reads them; that is what the first line avoids.
func (l logger) debug(format string, args []any) {
	ctx := context.Background()
	if !l.log.Enabled(ctx, slog.LevelDebug) {
		return
	}
	l.log.LogAttrs(ctx, slog.LevelDebug, "state engine", slog.String("event", fmt.Sprintf(format, args...)))
}
