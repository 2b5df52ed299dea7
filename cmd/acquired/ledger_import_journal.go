package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strconv"

	"github.com/spf13/cobra"

	"acquired/client"
	"acquired/cmd/acquired/journal"
	pb "acquired/proto/acquired/v1"
)

func ledgerImportJournalCommand(g *globals) *cobra.Command {
	var flags importJournalFlags
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Make the entries of an exported journal again, in another cluster",
		Long: `import reads what ledger export wrote, as JSON lines; "-" is standard input, which
is kept in a temporary file meanwhile. It makes the assets and the accounts that
are missing, and a transfer for each entry that posts, with its effective time and
description. The transfer has the id of the entry's step, or for a further entry
of a step import:PART:ID, so that to run the same import again makes nothing
twice. An import that was interrupted goes on when it is run again.

An account that import opens has no limits until all is made, and then what the
file says: limits, metadata, frozen or closed. An account that was there keeps its
own. Ephemeral accounts are opened when they are needed, and go as they did.

Last, if the file ends with an export of all entries, what remains of the holds
that were open is reserved again, under the same ids and until they expire, and
the periods that were closed are closed, for ever: that can not be undone. With
--unfinished all that is done last is left to another import, of a later export:
accounts have no limits until then.

Not imported, but counted: what became of holds that are closed, and documents,
which only the cluster that signed them can honour. Log times are those of the
import: all that it moves is spent today, so that an account with a daily limit
may have nothing left of it until tomorrow. Refunds, exchanges and what was paid by
invoices and cheques become transfers: what was refunded of an entry does not count
any more, and all of it can be refunded.

Nothing is changed when a line is wrong or of a time to come, or when an account
that was there will not bear its holds, and no list of transfers, of up to 1000 or
1 MiB, is sent that an account could not bear.
--dry-run says all that would be made, left out or refused. It does not look at what
the user may do, which is to be Read, Write, Admin and Spend on /account, and counts
twice what joined parts both have.`,
		Example: `  acquired ledger import journal.jsonl --dry-run
  acquired ledger import journal.jsonl
  acquired --context old ledger export | acquired --context new ledger import -`,
		Args: arguments(1, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.importJournal(cmd, args[0], flags)
		},
	}
	cmd.Flags().BoolVar(&flags.dryRun, "dry-run", false, "change nothing, and say what would be made")
	cmd.Flags().BoolVar(&flags.unfinished, "unfinished", false,
		"leave accounts without limits, holds out and periods open: imports of later exports follow")
	return cmd
}

type importJournalFlags struct{ dryRun, unfinished bool }

// importedJournal is what became of a file.
type importedJournal struct {
	File   string `json:"file"`
	DryRun bool   `json:"dry_run"`
	// Entries are those posted and those skipped.
	Entries      uint64            `json:"entries"`
	Posted       uint64            `json:"posted"`
	Skipped      uint64            `json:"skipped"`
	SkippedKinds map[string]uint64 `json:"skipped_kinds"`
	// Assets and Accounts are those that were missing.
	Assets   int `json:"assets_created"`
	Accounts int `json:"accounts_opened"`
	// Passing are ephemeral accounts that were gone at the end.
	Passing int `json:"accounts_gone"`
	// Created and Existing add up to Posted.
	Created  uint64 `json:"transfers_created"`
	Existing uint64 `json:"transfers_existing"`
	// Holds are those that were open. Expired ones did so since.
	HoldsPlaced   int `json:"holds_placed"`
	HoldsExisting int `json:"holds_existing"`
	HoldsExpired  int `json:"holds_expired"`
	HoldsLeftOut  int `json:"holds_left_out"`
	// Periods are those that were open here.
	Periods int `json:"periods_closed"`
	// Documents are counted by kind and state: none is imported.
	Documents map[string]uint64 `json:"documents_left_out"`
	// Notes say what is not as it was where the file comes from.
	Notes []string `json:"notes"`
}

func (d *importedJournal) table(w io.Writer) {
	created, placed, closed := "created", "placed", "closed"
	if d.DryRun {
		created, placed, closed = "to be created", "to be placed", "to be closed"
	}
	row(w, "file", d.File)
	row(w, "entries", number(d.Entries))
	row(w, "  posted", number(d.Posted))
	row(w, "  skipped", number(d.Skipped))
	for _, kind := range slices.Sorted(maps.Keys(d.SkippedKinds)) {
		row(w, "    "+kind, number(d.SkippedKinds[kind]))
	}
	row(w, "assets", fmt.Sprintf("%d %s", d.Assets, created))
	row(w, "accounts", fmt.Sprintf("%d %s", d.Accounts, created))
	if d.Passing > 0 {
		row(w, "  gone", strconv.Itoa(d.Passing))
	}
	row(w, "transfers", fmt.Sprintf("%d %s, %d existing", d.Created, created, d.Existing))
	if d.HoldsPlaced+d.HoldsExisting+d.HoldsExpired+d.HoldsLeftOut > 0 {
		row(w, "holds", fmt.Sprintf("%d %s, %d existing, %d expired, %d left out",
			d.HoldsPlaced, placed, d.HoldsExisting, d.HoldsExpired, d.HoldsLeftOut))
	}
	if d.Periods > 0 {
		row(w, "periods", fmt.Sprintf("%d %s", d.Periods, closed))
	}
	if len(d.Documents) > 0 {
		row(w, "documents", fmt.Sprintf("%d left out", sumOf(d.Documents)))
	}
	for _, kind := range slices.Sorted(maps.Keys(d.Documents)) {
		row(w, "  "+kind, number(d.Documents[kind]))
	}
	for _, note := range d.Notes {
		row(w, "note", printable(note))
	}
	switch {
	case d.Assets+d.Accounts+d.HoldsPlaced+d.Periods > 0 || d.Created > 0:
	case d.DryRun:
		row(w, "result", "there is nothing to make")
	default:
		row(w, "result", "nothing was made: all of it stands")
	}
}

func sumOf(counts map[string]uint64) (sum uint64) {
	for _, n := range counts {
		sum += n
	}
	return sum
}

// importJournal reads the whole file before it changes anything, and then reads
// it again to make what it says.
func (g *globals) importJournal(cmd *cobra.Command, path string, flags importJournalFlags) error {
	if !g.flags.Changed("timeout") {
		g.timeout = importTimeout
	}
	file, name, err := openTwice(cmd.InOrStdin(), path)
	if err != nil {
		return err
	}
	defer file.Close()
	books, err := readBooks(cmd.Context(), file, name)
	if err != nil {
		return err
	}
	c, err := g.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	i := newJournalImporter(c, file, books, cmd.ErrOrStderr(), flags)
	if err := i.run(cmd.Context()); err != nil {
		return err
	}
	return g.output.show(cmd.OutOrStdout(), &i.done)
}

// openTwice opens a file that is read twice, and gives its name. Of standard input,
// "-", it makes a file that only the user may read and that goes when it is closed.
func openTwice(in io.Reader, path string) (file *os.File, name string, err error) {
	if path != "-" {
		if file, err = os.Open(path); err != nil {
			return nil, "", &usageError{err}
		}
		return file, path, nil
	}
	if file, err = os.CreateTemp("", "acquired-*"); err != nil {
		return nil, "", &usageError{err}
	}
	err = os.Remove(file.Name())
	if err == nil {
		_, err = io.Copy(file, in)
	}
	if err != nil {
		_ = file.Close()
		return nil, "", usage("keep standard input: %w", err)
	}
	return file, "standard input", nil
}

// journalImporter makes the entries of a file again.
type journalImporter struct {
	client *client.Client
	file   *os.File
	books  *journalBooks
	// notes is where the user is told what was made.
	notes    io.Writer
	progress *progress
	// hasAccounts is set when the cluster had some before.
	hasAccounts bool
	// closedUntil is the instant before which nothing can be effective any more.
	closedUntil int64
	// standings are accounts that were there, as the transfers leave them.
	standings map[string]*standing
	// openHere are the holds that were open in the cluster.
	openHere map[string]bool
	// unfinished is set when other imports follow.
	unfinished bool
	done       importedJournal
	// unsaid is how many notes there was no room for.
	unsaid int
}

// mostNotes is how many things are said one by one.
const mostNotes = 100

func newJournalImporter(c *client.Client, file *os.File, books *journalBooks, notes io.Writer, flags importJournalFlags) *journalImporter {
	return &journalImporter{
		client: c, file: file, books: books, notes: notes,
		progress: newProgress(notes, "transfers", int(books.posted)), unfinished: flags.unfinished,
		done: importedJournal{
			File: books.file, DryRun: flags.dryRun, Entries: books.posted + books.skipped, Posted: books.posted,
			Skipped: books.skipped, SkippedKinds: books.skippedKinds, Documents: books.documents, Notes: []string{},
		},
	}
}

func (i *journalImporter) run(ctx context.Context) error {
	ctx = client.WithRead(ctx, client.Latest)
	if err := i.prepare(ctx); err != nil {
		return err
	}
	if err := i.foreseeHolds(ctx); err != nil {
		return err
	}
	if !i.done.DryRun {
		if err := i.makeMissing(ctx); err != nil {
			return err
		}
	}
	err := i.makeTransfers(ctx)
	i.progress.end()
	if err != nil && !i.done.DryRun {
		return withHint(err, "%d of %d transfers are known to stand; run the same command again to go on",
			i.done.Created+i.done.Existing, i.done.Posted)
	}
	if err != nil {
		return err
	}
	err = i.finish(ctx)
	if err != nil && !i.done.DryRun {
		return withHint(err, "all transfers stand; run the same command again to go on")
	}
	return err
}

// finish makes what is behind the entries of the file.
func (i *journalImporter) finish(ctx context.Context) error {
	if i.unfinished {
		i.leaveUnfinished()
		i.noteTransfers()
		return nil
	}
	i.noteTransfers()
	i.noteLeftOut()
	if err := i.placeHolds(ctx); err != nil {
		return err
	}
	if err := i.finishAccounts(ctx); err != nil {
		return err
	}
	if i.unsaid > 0 {
		i.done.Notes = append(i.done.Notes, fmt.Sprintf("there are %d more notes", i.unsaid))
	}
	return i.closePeriods(ctx)
}

func (i *journalImporter) leaveUnfinished() {
	accounts := 0
	for _, a := range i.books.accounts {
		if a.unfinished() && a.State != "gone" {
			accounts++
		}
	}
	for _, h := range i.books.holds {
		if !h.exists {
			i.done.HoldsLeftOut++
		}
	}
	i.note("%d accounts have no limits and %d periods are open until an import without --unfinished", accounts, i.done.Periods)
	i.done.Periods = 0
}

// noteTransfers says what transfers are not any more.
func (i *journalImporter) noteTransfers() {
	if i.books.after != "" {
		i.note("the file begins behind %s: what was before is not in it", i.books.after)
	}
	if i.books.bound > 0 {
		i.note("%d entries of refunds, exchanges, invoices and cheques are transfers: what was refunded does not count, and all can be refunded",
			i.books.bound)
	}
}

func (i *journalImporter) noteLeftOut() {
	if end := i.books.end; end != nil && !end.Now {
		i.note("the file does not say what stood open at its end: holds, documents and periods are left out")
	}
	for _, document := range i.books.open {
		i.note("%s is open where the file comes from", document)
	}
}

// note keeps what the user should know.
func (i *journalImporter) note(format string, args ...any) {
	if len(i.done.Notes) >= mostNotes {
		i.unsaid++
		return
	}
	i.done.Notes = append(i.done.Notes, fmt.Sprintf(format, args...))
}

// transferOf is the transfer that makes an entry again.
func transferOf(e *pb.JournalEntry) *pb.Transfer {
	return &pb.Transfer{
		Id: journal.TransferID(e), Debit: e.Debit, Credit: e.Credit, Amount: e.Amount, Asset: e.Asset,
		EffectiveUnixNanos: effectiveOf(e), Description: e.Description,
	}
}

// effectiveOf is when the transfer of an entry is effective.
func effectiveOf(e *pb.JournalEntry) int64 { return cmp.Or(e.EffectiveUnixNanos, e.UnixNanos) }
