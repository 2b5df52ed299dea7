package server

import (
	"errors"
	"log/slog"
	"time"

	"github.com/hashicorp/raft"
)

// compactionInterval is how often the size of the log is looked at.
const compactionInterval = time.Second

// boundLog cuts the log when it has grown by too many bytes. Raft itself counts
// entries only, and an entry can be a few bytes or many megabytes.
func (n *Node) boundLog() {
	ticker := time.NewTicker(compactionInterval)
	defer ticker.Stop()
	before := n.logs.Stats()
	for {
		select {
		case <-ticker.C:
		case <-n.life.Done():
			return
		}
		now := n.logs.Stats()
		grown, entries := now.Bytes-before.Bytes, now.Entries-before.Entries
		if grown < n.config.Limits.SnapshotBytes {
			continue
		}
		if err := n.cutLog(grown / max(entries, 1)); err != nil {
			n.log.LogAttrs(n.life, slog.LevelWarn, "the log was not cut", slog.Any("error", err))
			continue
		}
		before = now
	}
}

// minTrailing entries stay behind a cut whatever their size.
const minTrailing = 64

// cutLog takes a snapshot and keeps no more of the log than fits the limit,
// given the size of an entry.
func (n *Node) cutLog(entrySize uint64) error {
	r := n.raft.Load()
	limits := n.config.Limits
	config := r.ReloadableConfig()
	config.TrailingLogs = min(limits.TrailingEntries, max(minTrailing, limits.SnapshotBytes/max(entrySize, 1)))
	if err := r.ReloadConfig(config); err != nil {
		return err
	}
	err := r.Snapshot().Error()
	if errors.Is(err, raft.ErrNothingNewToSnapshot) {
		return nil
	}
	return err
}
