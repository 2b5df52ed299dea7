package main

import (
	"context"
	"errors"

	"acquired/client"
	"acquired/cmd/acquired/journal"
	pb "acquired/proto/acquired/v1"
)

// openExportOf opens the file of an export. One that holds something must be of the
// same format, end with a whole line, and have all entries up to the cursor and none
// behind it, as far as that can be known: else parts that are joined are not the whole.
func openExportOf(ctx context.Context, c *client.Client, flags *exportFlags) (*exportFile, error) {
	out, err := openExport(flags.file, flags.request.Cursor != "")
	if err != nil || out.size == 0 {
		return out, err
	}
	if err := checkGoesOn(ctx, c, flags, out); err != nil {
		return nil, errors.Join(err, out.file.Close())
	}
	return out, nil
}

func checkGoesOn(ctx context.Context, c *client.Client, flags *exportFlags, out *exportFile) error {
	tail, err := journal.ReadTail(out.file, out.size, flags.format)
	if err != nil {
		return withHint(usage("%s: %w", flags.file, err), "with --after, --out takes a new file, or one of the same --format")
	}
	if tail.Whole < out.size {
		return cutOff(flags, tail, out.size)
	}
	after, end := flags.request.Cursor, tail.End()
	switch {
	case tail.Repeats(after):
		return withHint(usage("%s has the entry %s already, which is behind %s", flags.file, tail.Last(), after), "go on with --after %s", end)
	case tail.Skips(after):
		return withHint(usage("%s goes as far as %s: what is between it and %s would be missing", flags.file, end, after), "go on with --after %s", end)
	case flags.format == journal.Names[0] || end == "":
		return nil
	}
	missing, err := lacking(ctx, c, flags, tail)
	if err != nil || missing == nil {
		return hintRead(hintVisible(err))
	}
	return withHint(usage("%s ends before the entry %d.%d, which --after %s would leave out", flags.file, missing.Index, missing.Counter, after),
		"go on with --after %s", end)
}

func cutOff(flags *exportFlags, tail *journal.Tail, size int64) error {
	part := "line"
	if flags.format == "hledger" {
		part = "transaction"
	}
	err := usage("%s is cut off: its last %d bytes are no whole %s", flags.file, size-tail.Whole, part)
	if end := tail.End(); end != "" {
		return withHint(err, "truncate -s %d %s, and go on with --after %s", tail.Whole, flags.file, end)
	}
	return withHint(err, "truncate -s %d %s, and go on behind its last entry, with --after INDEX.COUNTER", tail.Whole, flags.file)
}

// lacking finds an entry that is neither in the file nor behind the cursor. A file
// does not say it where its format has no place for how far it goes.
func lacking(ctx context.Context, c *client.Client, flags *exportFlags, tail *journal.Tail) (*pb.JournalEntry, error) {
	until, err := indexOf(flags.request.Cursor)
	if err != nil || until == 0 {
		return nil, nil // the export refuses it, or nothing is before it
	}
	// A node that is behind may not know of it yet.
	for _, ctx := range []context.Context{ctx, client.WithRead(ctx, client.Latest)} {
		request := &pb.JournalRequest{Under: flags.request.Under, Cursor: tail.Last(), UntilIndex: until}
		for done := false; !done; {
			page, err := c.Ledger.Journal(ctx, request)
			if err != nil {
				return nil, err
			}
			for _, e := range page.Entries {
				if tail.Lacks(e, flags.request.Cursor) {
					return e, nil
				}
			}
			request.Cursor, done = page.Cursor, page.Done
		}
		if reached, err := indexOf(request.Cursor); err != nil || reached >= until {
			return nil, err
		}
	}
	return nil, nil // it is ahead of the journal, and the export refuses it
}
