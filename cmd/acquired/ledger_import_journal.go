package main

import (
	"context"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"

	"github.com/spf13/cobra"

	"acquired/client"
	"acquired/cmd/acquired/journal"
	pb "acquired/proto/acquired/v1"
)

func ledgerImportJournalCommand(g *globals) *cobra.Command {
	var dryRun bool
	cmd := &cobra.Command{
		Use:   "import FILE",
		Short: "Make the entries of an exported journal again, in another cluster",
		Long: `import reads what ledger export wrote, as JSON lines. It makes the assets and the
accounts that are missing, and a transfer for each entry that posts, with its
effective time and description. The transfer has the id of the entry's step, or
for a further entry of a step import:PART:ID, so that to run the same import
again makes nothing twice.

What is only reserved is not imported: holds, and what became of them, are
counted and left out. Nor are documents, and accounts that were ephemeral or
transient become normal ones. An account that import opens has no limits until
all is made, and then those of the file. An account that was there keeps its own.

Nothing is changed when a line is wrong, and no list of transfers, of up to 1000
or 1 MiB, is sent that an account could not bear.`,
		Example: `  acquired ledger import journal.jsonl --dry-run
  acquired ledger import journal.jsonl`,
		Args: arguments(1, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.importJournal(cmd, args[0], dryRun)
		},
	}
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "change nothing, and say what would be made")
	return cmd
}

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
	// Created and Existing add up to Posted.
	Created  uint64 `json:"transfers_created"`
	Existing uint64 `json:"transfers_existing"`
	// Notes say what is not as it was where the file comes from.
	Notes []string `json:"notes"`
}

func (d *importedJournal) table(w io.Writer) {
	created := "created"
	if d.DryRun {
		created = "to be created"
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
	row(w, "transfers", fmt.Sprintf("%d %s, %d existing", d.Created, created, d.Existing))
	for _, note := range d.Notes {
		row(w, "note", printable(note))
	}
	switch {
	case d.Assets+d.Accounts > 0 || d.Created > 0:
	case d.DryRun:
		row(w, "result", "there is nothing to make")
	default:
		row(w, "result", "nothing was made: all of it stands")
	}
}

// importJournal reads the whole file before it changes anything, and then reads
// it again to make what it says.
func (g *globals) importJournal(cmd *cobra.Command, path string, dryRun bool) error {
	if !g.flags.Changed("timeout") {
		g.timeout = importTimeout
	}
	file, err := os.Open(path)
	if err != nil {
		return &usageError{err}
	}
	defer file.Close()
	books, err := readBooks(cmd.Context(), file, path)
	if err != nil {
		return err
	}
	c, err := g.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	i := newJournalImporter(c, file, books, cmd.ErrOrStderr(), dryRun)
	if err := i.run(cmd.Context()); err != nil {
		return err
	}
	return g.output.show(cmd.OutOrStdout(), &i.done)
}

// journalImporter makes the entries of a file again.
type journalImporter struct {
	client *client.Client
	file   *os.File
	books  *journalBooks
	// notes is where the user is told what was made.
	notes    io.Writer
	progress *progress
	// closedUntil is the instant before which nothing can be effective any more.
	closedUntil int64
	// standings are accounts that were there, as the transfers leave them.
	standings map[string]*standing
	done      importedJournal
}

func newJournalImporter(c *client.Client, file *os.File, books *journalBooks, notes io.Writer, dryRun bool) *journalImporter {
	return &journalImporter{
		client: c, file: file, books: books, notes: notes,
		progress: newProgress(notes, "transfers", int(books.posted)),
		done: importedJournal{
			File: books.file, DryRun: dryRun, Entries: books.posted + books.skipped, Posted: books.posted,
			Skipped: books.skipped, SkippedKinds: books.skippedKinds, Notes: []string{},
		},
	}
}

func (i *journalImporter) run(ctx context.Context) error {
	ctx = client.WithRead(ctx, client.Latest)
	if err := i.prepare(ctx); err != nil {
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
	return i.finishAccounts(ctx)
}

// note keeps what the user should know.
func (i *journalImporter) note(format string, args ...any) {
	i.done.Notes = append(i.done.Notes, fmt.Sprintf(format, args...))
}

// transferOf is the transfer that makes an entry again.
func transferOf(e *pb.JournalEntry) *pb.Transfer {
	t := &pb.Transfer{
		Id: journal.TransferID(e), Debit: e.Debit, Credit: e.Credit, Amount: e.Amount, Asset: e.Asset,
		EffectiveUnixNanos: e.EffectiveUnixNanos, Description: e.Description,
	}
	if t.EffectiveUnixNanos == 0 {
		t.EffectiveUnixNanos = e.UnixNanos
	}
	return t
}
