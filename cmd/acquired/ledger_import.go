package main

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"acquired/client"
	"acquired/cmd/acquired/swf"
	"acquired/proto/fault"
)

// maxScale is the most digits after the point that an asset has.
const maxScale = 18

// importTimeout is how long an import waits for an answer: nobody wants to start
// it again because leaders come and go for a while.
const importTimeout = 5 * time.Minute

// importFlags say which log is charged to whom.
type importFlags struct {
	file string
	// prefix is above the accounts of the users, and payee is who is paid.
	prefix, payee string
	asset         string
	// scale is that of an asset that is yet to be created.
	scale      uint32
	scaleGiven bool
	price, per string
	overdraft  string
	// name is the log's in the ids of its steps.
	name string
	// batch is how many steps go in one request.
	batch int
}

// logName leaves room in the id of a step for "swf:", ":", a job number and
// ":receipt".
var logName = regexp.MustCompile(`^[A-Za-z0-9._~:/@+-]{1,90}$`)

// complete fills in what is derived and refuses what cannot be right.
func (f *importFlags) complete() error {
	for _, account := range []struct {
		flag string
		path *string
	}{{"from", &f.prefix}, {"to", &f.payee}} {
		trimmed := strings.TrimRight(*account.path, "/")
		if !strings.HasPrefix(trimmed, accountFolder) {
			return usage("--%s %q is no path below %s", account.flag, *account.path, accountFolder)
		}
		*account.path = trimmed
	}
	if f.name == "" {
		f.name = strings.TrimPrefix(f.prefix, accountFolder)
	}
	if !logName.MatchString(f.name) {
		return usage("--log %q is not 1 to 90 bytes of A-Z a-z 0-9 and ._~:/@+-", f.name)
	}
	if f.batch < maxEventSteps || f.batch > maxSteps {
		return usage("--batch %d is not %d to %d", f.batch, maxEventSteps, maxSteps)
	}
	if f.scale > maxScale {
		return usage("--scale %d is not 0 to %d", f.scale, maxScale)
	}
	price, err := swf.ParsePrice(f.price, 0)
	if err != nil {
		return usage("--price: %w", err)
	}
	if price.IsZero() {
		return usage("--price %s: there is nothing to charge", f.price)
	}
	return nil
}

func ledgerImportCommand(g *globals) *cobra.Command {
	flags := importFlags{per: "core-hour", overdraft: unlimited, scale: 2, batch: maxSteps}
	cmd := &cobra.Command{
		Use:   "import-swf FILE --asset CODE --price AMOUNT --from PREFIX --to PATH",
		Short: "Charge the jobs of an accounting log to the accounts of their users",
		Long: `import-swf reads a log in the Standard Workload Format, plain or gzip, and goes
through what happened in the order of time. When a job was submitted, its cost for
the time it asked for, or else one and a half times the time it ran, is held on
the account PREFIX/user-ID of its user, for PATH. When it ended, the cost of what
it used is captured, the rest is released, and a receipt is issued. A user pays,
over all jobs, the core-seconds times the price, rounded down once.

A charge is effective when the job ended, if the log says when that was; now, if
that is in a period that is closed. The asset and the accounts that do not exist
are made. A hold has the id swf:LOG:JOB, and what becomes of it that with :more,
:use and :receipt, so that to run the same import again charges nothing twice, and
goes on where it was interrupted: for 30 days, after which holds of jobs that have
not ended expire. Unless --timeout is given, it waits for an answer for up to 5
minutes.`,
		Example: "  acquired ledger import-swf nasa.swf.gz --asset USD --price 0.05 --per core-hour --from /account/nasa --to /account/centre",
		Args:    arguments(1, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			flags.file = args[0]
			flags.scaleGiven = cmd.Flags().Changed("scale")
			if err := flags.complete(); err != nil {
				return err
			}
			return g.runImport(cmd, &flags)
		},
	}
	cmd.Flags().StringVar(&flags.asset, "asset", "", "code of the asset that is paid in; it is created if need be")
	cmd.Flags().StringVar(&flags.price, "price", "", "what one unit costs; may be finer than the asset's smallest amount")
	cmd.Flags().Var(&choice[string]{&flags.per, []string{"core-hour"}}, "per", "the unit that the price is for: core-hour")
	cmd.Flags().StringVar(&flags.prefix, "from", "", "path above the accounts of the users")
	cmd.Flags().StringVar(&flags.payee, "to", "", "account that is paid")
	cmd.Flags().StringVar(&flags.overdraft, "overdraft", flags.overdraft, `overdraft of the users' accounts that are opened, which holds may use, or "unlimited"`)
	cmd.Flags().StringVar(&flags.name, "log", "", "name of the log in ids (default: PREFIX without /account/)")
	cmd.Flags().Uint32Var(&flags.scale, "scale", flags.scale, "digits after the point of the asset, when it is created")
	cmd.Flags().IntVar(&flags.batch, "batch", flags.batch, "how many holds, captures and receipts go in one request, all or none; 3 to 1000")
	for _, name := range []string{"asset", "price", "from", "to"} {
		requireFlag(cmd, name)
	}
	return cmd
}

// runImport reads the whole log before it changes anything.
func (g *globals) runImport(cmd *cobra.Command, flags *importFlags) error {
	if !g.flags.Changed("timeout") {
		g.timeout = importTimeout
	}
	log, err := readJobLog(cmd.Context(), flags.file)
	if err != nil {
		return err
	}
	c, err := g.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	i := &importer{
		client: c, flags: flags, log: log, began: time.Now(),
		notes: cmd.ErrOrStderr(), progress: newProgress(cmd.ErrOrStderr(), "jobs charged", len(log.jobs)),
	}
	done, err := i.run(cmd.Context())
	if err != nil {
		return err
	}
	if err := g.output.show(cmd.OutOrStdout(), done); err != nil {
		return err
	}
	return i.verify(done)
}

// importer charges one log.
type importer struct {
	client *client.Client
	flags  *importFlags
	log    *jobLog
	// began is when the import did.
	began time.Time
	// notes is where the user is told what was made.
	notes    io.Writer
	progress *progress

	price swf.Price
	scale uint8
	// closedUntil is the instant before which nothing can be effective any more.
	closedUntil int64
	// fresh are the accounts that this run opened: nothing else is on them.
	fresh map[string]bool
	// found is what stands in the books, pending what does not yet.
	found   foundJobs
	pending []event

	// created and existing are the jobs that this run charged and those that were;
	// of the former backdated are effective when the job ended, and extended needed
	// more than was held.
	created, existing, backdated, extended uint64
	// mismatches are the accounts whose books are not what was computed.
	mismatches []string
}

func (i *importer) run(ctx context.Context) (*reconciliation, error) {
	if err := i.prepare(ctx); err != nil {
		return nil, err
	}
	err := i.chargeAll(ctx)
	i.progress.end()
	switch {
	case stepsDiffer(err):
		return nil, withHint(err, "logs are told apart by --log NAME")
	case errors.Is(err, fault.Insufficient), errors.Is(err, fault.Conflict), errors.Is(err, fault.Exhausted):
		return nil, withHint(err, "%d of %d jobs are known to be charged; the id of a step that was refused is used up: "+
			"charge the other jobs from a file of their own, with another --log NAME", i.created+i.existing, len(i.log.jobs))
	case err != nil:
		return nil, withHint(err, "%d of %d jobs are known to be charged; run the same command again to go on",
			i.created+i.existing, len(i.log.jobs))
	}
	return i.reconcile(ctx)
}

// account gives the path of a user's account.
func (i *importer) account(user logUser) string {
	return i.flags.prefix + "/user-" + user.name()
}

// readJobLog opens and reads the log.
func readJobLog(ctx context.Context, path string) (*jobLog, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, &usageError{err}
	}
	defer file.Close()
	log, err := collectJobs(ctx, swf.NewReader(file))
	if err != nil && ctx.Err() == nil {
		return nil, usage("%s: %w", filepath.Base(path), err)
	}
	return log, err
}
