package server

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"syscall"
	"time"
)

// refusalInterval is the least time between two lines about callers that were
// refused: strangers must not fill the log.
const refusalInterval = 10 * time.Second

// refused tells of a caller whose handshake failed, such as one with the
// certificate of another authority.
func (n *Node) refused(from net.Addr, err error) {
	if errors.Is(err, io.EOF) || errors.Is(err, context.Canceled) || errors.Is(err, syscall.ECONNRESET) {
		return // it went away by itself
	}
	n.refusals.Do(func() {
		n.log.LogAttrs(n.life, slog.LevelWarn, "caller refused", slog.String("from", from.String()), slog.Any("error", err))
	})
}
