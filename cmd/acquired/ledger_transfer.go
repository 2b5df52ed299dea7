package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

const (
	// maxTransfers is how many transfers one request may have.
	maxTransfers = 8190
	// maxTransferLine bounds a line of a file of transfers.
	maxTransferLine = 64 << 10
)

// transferFlags are the ways to say what to transfer.
type transferFlags struct {
	one       pb.Transfer
	shares    sharesFlag
	effective effectiveFlag
	file      string
	chains    bool
}

// transferred is the answer to a transfer.
type transferred struct {
	// ID is that of the transfer, where there is just one.
	ID string `json:"id,omitempty"`
	// Index is where the transfers that were made took effect; if all stood in the
	// books already, where the last of them did at first.
	Index   uint64 `json:"index"`
	Created uint32 `json:"created"`
	// Existing are those that stood in the books already.
	Existing []existingTransfer `json:"existing"`
	// Failed has one for each chain that was not made: the transfer for which it
	// was not.
	Failed []failedTransfer `json:"failed,omitempty"`
	// Moved is how much was moved, of transfers up to an amount.
	Moved []movedAmount `json:"moved,omitempty"`
}

type failedTransfer struct {
	Position uint32 `json:"position"`
	// Kind and Message are those of the fault.
	Kind    string `json:"kind"`
	Message string `json:"message"`
}

type movedAmount struct {
	Position uint32 `json:"position"`
	Amount   string `json:"amount"`
}

type existingTransfer struct {
	// Position is that in the list, from 0.
	Position uint32 `json:"position"`
	Index    uint64 `json:"index"`
}

func (t transferred) table(w io.Writer) {
	if t.ID != "" {
		row(w, "id", t.ID)
	}
	row(w, "index", number(t.Index))
	row(w, "created", number(uint64(t.Created)))
	row(w, "existing", number(uint64(len(t.Existing))))
	for _, m := range t.Moved {
		if t.ID != "" {
			row(w, "moved", m.Amount)
			continue
		}
		row(w, "moved", fmt.Sprintf("%s by transfer %d", m.Amount, m.Position))
	}
	for _, f := range t.Failed {
		row(w, "failed", fmt.Sprintf("transfer %d: %s: %s", f.Position, f.Kind, printable(f.Message)))
	}
}

// verify refuses a list of which a chain was not made.
func (t transferred) verify() error {
	if len(t.Failed) == 0 {
		return nil
	}
	first := t.Failed[0]
	return fault.Kind(first.Kind).New("%d chains were not made; transfer %d: %s", len(t.Failed), first.Position, first.Message)
}

func ledgerTransferCommand(g *globals) *cobra.Command {
	var request requestFlag
	var flags transferFlags
	cmd := &cobra.Command{
		Use:   "transfer FROM TO AMOUNT",
		Short: "Move an amount from one account to another",
		Long: `transfer moves an amount, or with --file a list of them, all or none. With --share
there is no TO: the shares say who is paid. Amounts are in the unit of the asset.

A transfer's id is yours to choose and unique in the cluster for ever: the same
transfer sent again is not made again, another one with its id is refused.
Without --id it is the request id.

The lines of --file are JSON with the names of the API:
{"id":"...","debit":"/account/...","credit":"/account/...","amount":"1.00"}
With --chains the list is cut behind each transfer that is not "linked":true; each
part is made whole or not at all, and it ends with status 1 if one was not.`,
		Example: `  acquired ledger transfer /account/physics/alice /account/centre 12.50
  acquired ledger transfer --id order-7 --from /account/physics/alice --to /account/centre --amount 12.50
  acquired ledger transfer /account/grant /account/centre 80 --then /account/physics/alice
  acquired ledger transfer /account/physics 90.00 --share /account/tax=7.50 --share /account/a:2 --share /account/b:1
  acquired ledger transfer --file transfers.jsonl`,
		Args: arguments(0, 3, "FROM TO AMOUNT, or only flags"),
		RunE: func(cmd *cobra.Command, args []string) error {
			chosen := request.id != "" || flags.one.Id != "" || flags.file != ""
			id := request.resolve()
			transfers, err := flags.transfers(cmd, args, id)
			if err != nil {
				return err
			}
			var made transferred
			err = g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Ledger.Transfer(client.WithRequestID(ctx, id), &pb.TransferRequest{Transfers: transfers, Chains: flags.chains})
				if err != nil {
					return nil, request.explain(request.hintKept(hintAccount(err), chosen))
				}
				made = describeTransfer(transfers, answer)
				return made, nil
			})
			if err != nil {
				return err
			}
			return made.verify()
		},
	}
	request.register(cmd.Flags())
	flags.register(cmd.Flags())
	return cmd
}

func describeTransfer(transfers []*pb.Transfer, answer *pb.TransferResponse) transferred {
	t := transferred{Index: answer.Index, Created: answer.Created, Existing: make([]existingTransfer, len(answer.Existing))}
	if len(transfers) == 1 {
		t.ID = transfers[0].Id
	}
	newest := uint64(0)
	for i, existing := range answer.Existing {
		t.Existing[i] = existingTransfer{existing.Position, existing.Index}
		newest = max(newest, existing.Index)
	}
	if len(t.Existing) == len(transfers) {
		t.Index = newest
	}
	for _, failed := range answer.Failed {
		t.Failed = append(t.Failed, failedTransfer{failed.Position, failed.Kind, failed.Message})
	}
	for _, moved := range answer.Moved {
		t.Moved = append(t.Moved, movedAmount{moved.Position, moved.Amount})
	}
	return t
}

func (f *transferFlags) register(flags *pflag.FlagSet) {
	flags.StringVar(&f.one.Id, "id", "", "id of the transfer (default: the request id)")
	flags.StringVar(&f.one.Debit, "from", "", "account that pays")
	flags.StringVar(&f.one.Credit, "to", "", "account that is paid")
	flags.StringVar(&f.one.Amount, "amount", "", "how much, in the unit of the asset")
	flags.StringVar(&f.one.Asset, "asset", "", "refuse the transfer if the accounts hold another asset (default: any)")
	flags.StringArrayVar(&f.one.ThenDebit, "then", nil, "an account that pays what those before it have not available; may be repeated, up to 16")
	f.shares.register(flags)
	flags.BoolVar(&f.one.UpTo, "up-to", false, "move what is available, if that is less than the amount; it may be nothing (default: all or nothing)")
	f.effective.register(flags)
	descriptionFlag(flags, &f.one.Description)
	flags.StringVar(&f.file, "file", "", `file of at most 8190 transfers, "-" is standard input`)
	flags.BoolVar(&f.chains, "chains", false, "with --file: make each chain of linked transfers for itself (default: all of the list, or nothing)")
}

// singleFlags say what one transfer is.
var singleFlags = []string{"id", "from", "to", "amount", "asset", "then", "share", "up-to", "effective", "description"}

// transfers gives what the flags and the arguments together name.
func (f *transferFlags) transfers(cmd *cobra.Command, args []string, defaultID string) ([]*pb.Transfer, error) {
	if f.file != "" {
		for _, name := range singleFlags {
			if cmd.Flags().Changed(name) {
				return nil, usage("--file and --%s do not go together", name)
			}
		}
		if len(args) > 0 {
			return nil, usage("--file and arguments do not go together")
		}
		return f.readFile(cmd.InOrStdin())
	}
	if f.chains {
		return nil, usage("--chains is for --file")
	}
	if err := f.take(cmd, args); err != nil {
		return nil, err
	}
	var err error
	if f.one.Shares, err = f.shares.parse(); err != nil {
		return nil, err
	}
	if f.one.EffectiveUnixNanos, err = f.effective.parse(time.Now()); err != nil {
		return nil, err
	}
	if f.one.Id == "" {
		f.one.Id = defaultID
	}
	return []*pb.Transfer{&f.one}, nil
}

// transferPart is one that may be given as an argument or as a flag.
type transferPart struct {
	flag, name string
	value      *string
}

// take completes the flags with the arguments. There is no TO with shares.
func (f *transferFlags) take(cmd *cobra.Command, args []string) error {
	parts := []transferPart{{"from", "FROM", &f.one.Debit}, {"to", "TO", &f.one.Credit}, {"amount", "AMOUNT", &f.one.Amount}}
	names := "FROM TO AMOUNT"
	if len(f.shares.shares) > 0 {
		if cmd.Flags().Changed("to") {
			return usage("--share and --to do not go together")
		}
		parts, names = slices.Delete(parts, 1, 2), "FROM AMOUNT with --share"
	}
	if len(args) != 0 && len(args) != len(parts) {
		return hintHelp(cmd, usage("%s takes %s, got %d arguments", cmd.CommandPath(), names, len(args)))
	}
	for i, part := range parts {
		given := cmd.Flags().Changed(part.flag)
		switch {
		case len(args) > 0 && given:
			return usage("%s is given twice, as an argument and as --%s", part.name, part.flag)
		case len(args) > 0:
			*part.value = args[i]
		case !given:
			return hintHelp(cmd, usage("%s is missing", part.name))
		}
	}
	return nil
}

func (f *transferFlags) readFile(in io.Reader) ([]*pb.Transfer, error) {
	if f.file == "-" {
		return readTransfers(in, "standard input")
	}
	file, err := os.Open(f.file)
	if err != nil {
		return nil, &usageError{err}
	}
	defer file.Close()
	return readTransfers(file, f.file)
}

// readTransfers reads one transfer a line. Empty lines are passed over.
func readTransfers(r io.Reader, name string) ([]*pb.Transfer, error) {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxTransferLine)
	var transfers []*pb.Transfer
	line := 1
	for ; lines.Scan(); line++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		if len(transfers) == maxTransfers {
			return nil, usage("%s has more than %d transfers, the most that one request may have", name, maxTransfers)
		}
		t, err := decodeTransfer(lines.Bytes())
		if err != nil {
			return nil, usage("%s, line %d: %w", name, line, err)
		}
		transfers = append(transfers, t)
	}
	switch err := lines.Err(); {
	case errors.Is(err, bufio.ErrTooLong):
		return nil, usage("%s, line %d: it is longer than %d bytes", name, line, maxTransferLine)
	case err != nil:
		return nil, usage("read %s: %w", name, err)
	}
	if len(transfers) == 0 {
		return nil, usage("%s has no transfers", name)
	}
	return transfers, nil
}

// decodeTransfer reads a transfer with the names of the API.
func decodeTransfer(line []byte) (*pb.Transfer, error) {
	t := &pb.Transfer{}
	if err := decodeJSON(line, t); err != nil {
		return nil, err
	}
	if t.Id == "" {
		return nil, errors.New("id is missing: without one, a list that is sent again would be made again")
	}
	return t, nil
}
