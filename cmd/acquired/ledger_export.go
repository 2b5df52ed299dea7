package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"acquired/client"
	"acquired/cmd/acquired/journal"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

const (
	// exportPage is how many entries are asked for, and held, at a time.
	exportPage = 5000
	// accountCalls is how many accounts are asked for at a time.
	accountCalls = 8
)

// exportFlags say what of the journal goes where, in which form.
type exportFlags struct {
	request pb.JournalRequest
	format  string
	file    string
}

func ledgerExportCommand(g *globals) *cobra.Command {
	flags := exportFlags{format: journal.JSONLines}
	cmd := &cobra.Command{
		Use:   "export",
		Short: "Write the journal: every entry of the books, in the order of the log",
		Long: `export writes the entries of the journal page by page, to standard output or to a
new file.

  jsonl    a line an entry, and before it lines for the assets and accounts that it
           needs, as they are now. At the end all other assets and accounts, open
           holds, documents, closed periods, and a checksum: ledger import reads it
  csv      RFC 4180. A field that a spreadsheet would take for a formula, and one
           that begins with ', has a ' in front
  hledger  for hledger and ledger. A credit is a positive amount, a debit a negative
           one. Entries that only reserve are comments: a balance is the posted one

When it ends, or is interrupted, it says the cursor to go on from; INDEX.COUNTER of
an entry is one too. With --after it writes what comes behind a cursor, or behind
all of an index, without the head of the format and at the end of the file: parts
that are joined are the whole, but that each names the assets and accounts that it
needs. Of JSON lines, import refuses parts between which something is missing.`,
		Example: `  acquired ledger export > journal.jsonl
  acquired ledger export --under /account/physics --format csv --out physics.csv
  acquired ledger export --format hledger | hledger -f - balance`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.export(cmd, &flags)
		},
	}
	cmd.Flags().StringVar(&flags.request.Under, "under", "", "only entries of accounts at this path and below (default: all)")
	cmd.Flags().Var(&choice[string]{&flags.format, journal.Names}, "format", "form of the file: jsonl, csv or hledger")
	cmd.Flags().StringVar(&flags.request.Cursor, "after", "", "where to go on: the cursor of an earlier export, or an index")
	cmd.Flags().Uint64Var(&flags.request.UntilIndex, "until-index", 0, "only entries up to this index (default: all)")
	cmd.Flags().StringVar(&flags.file, "out", "", "file to write: a new one, or with --after one to go on with (default: standard output)")
	return cmd
}

func (g *globals) export(cmd *cobra.Command, flags *exportFlags) (err error) {
	c, err := g.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	out := &exportFile{w: cmd.OutOrStdout()}
	if flags.file != "" {
		if out, err = openExportOf(cmd.Context(), c, flags); err != nil {
			return err
		}
	}
	x := newExporter(c, flags, out)
	err = out.close(hintRead(hintVisible(x.run(cmd.Context()))))
	if err == nil && x.moved {
		fmt.Fprintln(cmd.ErrOrStderr(), "entries were made meanwhile: an import leaves open holds out, unless --after goes on")
	}
	if err == nil {
		fmt.Fprintf(cmd.ErrOrStderr(), "%d entries; for those to come: --after %s\n", x.entries, x.request.Cursor)
	}
	return err
}

// exporter writes a journal.
type exporter struct {
	client *client.Client
	format journal.Format
	// whole is set for JSON lines, which have all of the books.
	whole bool
	out   *exportFile
	// request is moved on with what was written.
	request *pb.JournalRequest
	pages   int
	entries uint64
	// sum is that of what was written.
	sum journal.Sum
	// named are assets and accounts that were written: the last of them.
	named map[exportKey]nameWritten
	// readable says of accounts whether the caller may read them, as far as it was
	// asked for.
	readable knownAccounts
	// operator is set for a caller to whom nothing is hidden.
	operator bool
	// moved is set when entries were made while the rest was written.
	moved bool
}

// mostNamed bounds what is kept of names. Beyond it they are written again.
const mostNamed = 1 << 17

// exportKey is an asset, or with a path an account of it: the account may be gone
// and one of another asset in its place.
type exportKey struct{ path, asset string }

// nameWritten is what was written of a name.
type nameWritten struct {
	// version is that of the account; 0 for an asset, and where nothing is known of it.
	// No other account at the path has the same.
	version uint64
	// passes is set for an ephemeral account that was there: any entry that names it
	// may be the one with which it goes.
	passes bool
}

func newExporter(c *client.Client, flags *exportFlags, out *exportFile) *exporter {
	x := &exporter{
		client: c, format: journal.Named(flags.format), whole: flags.format == journal.JSONLines,
		out: out, request: &flags.request, named: make(map[exportKey]nameWritten), sum: journal.NewSum(),
	}
	x.request.Limit = exportPage
	return x
}

// run writes page after page. The cursor of the request is always behind the last
// page that is written whole.
func (x *exporter) run(ctx context.Context) error {
	err := x.writeAll(ctx)
	if err != nil && x.pages > 0 {
		return withHint(err, "%d entries are written; go on with --after %s", x.entries, x.request.Cursor)
	}
	return err
}

func (x *exporter) writeAll(ctx context.Context) error {
	if err := x.look(ctx); err != nil {
		return err
	}
	if err := x.lookBehind(ctx); err != nil {
		return err
	}
	var head []byte
	if x.request.Cursor == "" || x.whole {
		head = x.format.AppendHeader(nil, x.request.Cursor)
	}
	if x.whole {
		me, err := x.client.Identity.Whoami(ctx, &pb.WhoamiRequest{})
		if err != nil {
			return err
		}
		x.operator = me.Operator
	}
	for {
		page, err := x.page(ctx, head)
		if err != nil {
			return err
		}
		if page.Done && x.whole {
			return x.end(ctx)
		}
		if page.Done {
			return nil
		}
		head = nil
	}
}

// write writes text, which is of whole lines.
func (x *exporter) write(text []byte) error {
	if err := x.out.write(text); err != nil {
		return err
	}
	x.sum.Add(text)
	return nil
}

// page asks for a page and writes it behind text.
func (x *exporter) page(ctx context.Context, text []byte) (*pb.JournalResponse, error) {
	page, err := x.client.Ledger.Journal(ctx, x.request)
	if err != nil {
		return nil, err
	}
	if len(x.named) > mostNamed {
		clear(x.named)
	}
	accounts, err := x.describe(ctx, page.Entries)
	if err != nil {
		return nil, err
	}
	for _, e := range page.Entries {
		text = x.appendEntry(text, e, accounts)
	}
	if x.whole {
		text = journal.AppendPage(text, page.Cursor)
	}
	if err := x.write(text); err != nil {
		return nil, err
	}
	x.pages++
	x.entries += uint64(len(page.Entries))
	x.request.Cursor = page.Cursor
	return page, nil
}

// appendEntry appends an entry, behind the accounts that are to be written before it.
func (x *exporter) appendEntry(text []byte, e *pb.JournalEntry, accounts map[exportKey]journal.Account) []byte {
	if asset := (exportKey{asset: e.Asset}); x.isNew(asset) {
		x.named[asset] = nameWritten{}
		text = x.format.AppendAsset(text, journal.Asset{Code: e.Asset, Scale: journal.ScaleOf(e.Amount)})
	}
	for _, path := range []string{e.Debit, e.Credit} {
		key := exportKey{path, e.Asset}
		if account, ok := accounts[key]; ok {
			text = x.format.AppendAccount(text, account)
			delete(accounts, key)
		}
	}
	return x.format.AppendEntry(text, e)
}

func (x *exporter) isNew(name exportKey) bool {
	_, ok := x.named[name]
	return !ok
}

// describe says what the accounts are that the entries name for the first time, and
// those that may have gone with one of them.
func (x *exporter) describe(ctx context.Context, entries []*pb.JournalEntry) (map[exportKey]journal.Account, error) {
	accounts := make(map[exportKey]journal.Account)
	for _, e := range entries {
		x.meet(accounts, exportKey{e.Debit, e.Asset}, e.DebitGone)
		x.meet(accounts, exportKey{e.Credit, e.Asset}, e.CreditGone)
	}
	if !x.whole {
		x.name(accounts, nil)
		return accounts, nil
	}
	paths := make([]string, 0, len(accounts))
	for account := range accounts {
		paths = append(paths, account.path)
	}
	found, err := askAccounts(ctx, x.client, paths)
	if err != nil {
		return nil, err
	}
	x.name(accounts, found)
	return accounts, nil
}

// name notes what is written of the accounts, with what was found of them. What was
// written before and is the same is taken away.
func (x *exporter) name(accounts map[exportKey]journal.Account, found []*pb.AccountResponse) {
	is := make(map[exportKey]nameWritten)
	for _, answer := range found {
		account := exportKey{answer.Path, answer.Asset}
		if _, ok := accounts[account]; !ok {
			continue
		}
		is[account] = writtenOf(answer)
		accounts[account] = exportedAccount(answer)
	}
	for account := range accounts {
		was, written := x.named[account]
		if x.named[account] = is[account]; written && was == is[account] {
			delete(accounts, account)
		}
	}
}

// writtenOf is what is noted of an account that is there.
func writtenOf(a *pb.AccountResponse) nameWritten {
	return nameWritten{version: a.Version, passes: a.Kind == "ephemeral"}
}

// meet adds an account that an entry names, as long as nothing is found of it. Only an
// ephemeral one goes; it may also have gone since the entry was read, which to an operator,
// to whom nothing is hidden, it has when it is not found.
func (x *exporter) meet(accounts map[exportKey]journal.Account, account exportKey, gone bool) {
	if !x.isNew(account) && !x.named[account].passes {
		return
	}
	a := journal.Account{Path: account.path, Asset: account.asset}
	if gone || x.operator || x.named[account].passes {
		a.Kind, a.State = "ephemeral", "gone"
	}
	accounts[account] = a
}

func exportedAccount(answer *pb.AccountResponse) journal.Account {
	a := journal.Account{
		Path: answer.Path, Asset: answer.Asset, Kind: answer.Kind, State: answer.State,
		Overdraft: answer.Overdraft, Ceiling: answer.Ceiling, DailyLimit: answer.DailyLimit,
		HoldOverdraft: answer.HoldOverdraft, Owner: answer.Owner,
	}
	for _, datum := range answer.Metadata {
		if datum.Key == unfinishedKey {
			continue // it is no more than where an import into this cluster stands
		}
		if a.Metadata == nil {
			a.Metadata = make(map[string]string)
		}
		a.Metadata[datum.Key] = datum.Value
	}
	return a
}

// askAccounts gives those of the accounts that there are, as far as the caller
// may read them.
func askAccounts(ctx context.Context, c *client.Client, paths []string) ([]*pb.AccountResponse, error) {
	answers := make([]*pb.AccountResponse, len(paths))
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(accountCalls)
	for i, path := range paths {
		calls.Go(func() error {
			answer, err := c.Ledger.Account(ctx, &pb.AccountRequest{Path: path})
			if errors.Is(err, fault.NotFound) || errors.Is(err, fault.Denied) {
				return nil
			}
			answers[i] = answer
			return err
		})
	}
	err := calls.Wait()
	found := answers[:0]
	for _, answer := range answers {
		if answer != nil && err == nil {
			found = append(found, answer)
		}
	}
	return found, err
}
