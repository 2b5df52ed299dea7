package main

import (
	"context"
	"errors"
	"fmt"
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

const (
	// accountRoot is where accounts are.
	accountRoot = "/account/"
	// maxScale is the most digits after the point that an asset has.
	maxScale = 18
)

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
	// name is the log's in the ids of its transfers.
	name   string
	batch  int
	resume bool
}

// logName leaves room in a transfer id for "swf:", ":" and a job number.
var logName = regexp.MustCompile(`^[A-Za-z0-9._~:/@+-]{1,96}$`)

// complete fills in what is derived and refuses what cannot be right.
func (f *importFlags) complete() error {
	for _, account := range []struct {
		flag string
		path *string
	}{{"from", &f.prefix}, {"to", &f.payee}} {
		trimmed := strings.TrimRight(*account.path, "/")
		if !strings.HasPrefix(trimmed, accountRoot) {
			return usage("--%s %q is no path below %s", account.flag, *account.path, accountRoot)
		}
		*account.path = trimmed
	}
	if f.name == "" {
		f.name = strings.TrimPrefix(f.prefix, accountRoot)
	}
	if !logName.MatchString(f.name) {
		return usage("--log %q is not 1 to 96 bytes of A-Z a-z 0-9 and ._~:/@+-", f.name)
	}
	if f.batch < 1 || f.batch > maxTransfers {
		return usage("--batch %d is not 1 to %d", f.batch, maxTransfers)
	}
	if f.scale > maxScale {
		return usage("--scale %d is not 0 to %d", f.scale, maxScale)
	}
	if _, err := swf.ParsePrice(f.price, 0); err != nil {
		return usage("--price: %w", err)
	}
	return nil
}

func ledgerImportCommand(g *globals) *cobra.Command {
	flags := importFlags{per: "core-hour", overdraft: unlimited, scale: 2, batch: 1000}
	cmd := &cobra.Command{
		Use:   "import-swf FILE --asset CODE --price AMOUNT --from PREFIX --to PATH",
		Short: "Charge the jobs of an accounting log to the accounts of their users",
		Long: `import-swf reads a log in the Standard Workload Format, plain or gzip, and makes
one transfer a job: from the account PREFIX/user-ID of its user to PATH. A user
pays, over all jobs, the core-seconds times the price, rounded down once.

The asset and the accounts that do not exist are made. A transfer's id is
swf:LOG:JOB, so that to run the same import again charges nothing twice; after
an interruption --resume finds where to go on. Unless --timeout is given, it
waits for an answer for up to 5 minutes.`,
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
	cmd.Flags().BoolVar(&flags.resume, "resume", false, "go on where an earlier import ended")
	cmd.Flags().StringVar(&flags.overdraft, "overdraft", flags.overdraft, `overdraft of the users' accounts that are opened, or "unlimited"`)
	cmd.Flags().StringVar(&flags.name, "log", "", "name of the log in transfer ids (default: PREFIX without /account/)")
	cmd.Flags().Uint32Var(&flags.scale, "scale", flags.scale, "digits after the point of the asset, when it is created")
	cmd.Flags().IntVar(&flags.batch, "batch", flags.batch, "how many transfers go in one request, all or none; up to 8190")
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
		client: c, flags: flags, log: log,
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
	// notes is where the user is told what was made.
	notes    io.Writer
	progress *progress

	price swf.Price
	scale uint8
	// fresh are the accounts that this run opened: nothing else is on them.
	fresh map[string]bool

	created, existing uint64
	// mismatches are the accounts whose books are not what was computed.
	mismatches []string
}

func (i *importer) run(ctx context.Context) (*reconciliation, error) {
	if err := i.prepare(ctx); err != nil {
		return nil, err
	}
	err := i.charge(ctx)
	i.progress.end()
	if errors.Is(err, fault.Conflict) {
		return nil, withHint(err, "logs are told apart by --log NAME")
	}
	if err != nil {
		return nil, withHint(err, "%d of %d jobs are known to be charged; run the same command again with --resume",
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
	if err != nil {
		return nil, fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	return log, nil
}
