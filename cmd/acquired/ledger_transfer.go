package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

const (
	// maxTransfers is how many transfers one request may have.
	maxTransfers = 8190
	// maxTransferLine bounds a line of a file of transfers.
	maxTransferLine = 64 << 10
)

// transferFlags are the ways to say what to transfer.
type transferFlags struct {
	one  pb.Transfer
	file string
}

// transferred is the answer to a transfer.
type transferred struct {
	// ID is that of the transfer, where there is just one.
	ID string `json:"id,omitempty"`
	// Index is where the transfers that were made took effect.
	Index   uint64 `json:"index"`
	Created uint32 `json:"created"`
	// Existing are those that stood in the books already.
	Existing []existingTransfer `json:"existing"`
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
}

func ledgerTransferCommand(g *globals) *cobra.Command {
	var request requestFlag
	var flags transferFlags
	cmd := &cobra.Command{
		Use:   "transfer FROM TO AMOUNT",
		Short: "Move an amount from one account to another",
		Long: `transfer moves an amount, or with --file a list of them, all or none.

A transfer's id is yours to choose and unique in the cluster for ever: the same
transfer sent again is not made again, another one with its id is refused.
Without --id it is the request id.

The lines of --file are JSON: {"id":"...","debit":"/account/...","credit":"/account/...","amount":"1.00"}`,
		Example: `  acquired ledger transfer /account/physics/alice /account/centre 12.50
  acquired ledger transfer --id order-7 --from /account/physics/alice --to /account/centre --amount 12.50
  acquired ledger transfer --file transfers.jsonl`,
		Args: arguments(0, 3, "FROM TO AMOUNT, or only flags"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id := request.resolve()
			transfers, err := flags.transfers(cmd, args, id)
			if err != nil {
				return err
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Ledger.Transfer(client.WithRequestID(ctx, id), &pb.TransferRequest{Transfers: transfers})
				if err != nil {
					return nil, request.explain(hintAccount(err))
				}
				return describeTransfer(transfers, answer), nil
			})
		},
	}
	request.register(cmd.Flags())
	cmd.Flags().StringVar(&flags.one.Id, "id", "", "id of the transfer (default: the request id)")
	cmd.Flags().StringVar(&flags.one.Debit, "from", "", "account that pays")
	cmd.Flags().StringVar(&flags.one.Credit, "to", "", "account that is paid")
	cmd.Flags().StringVar(&flags.one.Amount, "amount", "", "how much")
	cmd.Flags().StringVar(&flags.one.Asset, "asset", "", "refuse the transfer if the accounts hold another asset")
	cmd.Flags().StringVar(&flags.file, "file", "", `file of transfers, "-" is standard input`)
	return cmd
}

func describeTransfer(transfers []*pb.Transfer, answer *pb.TransferResponse) transferred {
	t := transferred{Index: answer.Index, Created: answer.Created, Existing: make([]existingTransfer, len(answer.Existing))}
	if len(transfers) == 1 {
		t.ID = transfers[0].Id
	}
	for i, existing := range answer.Existing {
		t.Existing[i] = existingTransfer{existing.Position, existing.Index}
	}
	return t
}

// transfers gives what the flags and the arguments together name.
func (f *transferFlags) transfers(cmd *cobra.Command, args []string, defaultID string) ([]*pb.Transfer, error) {
	if f.file != "" {
		for _, name := range []string{"id", "from", "to", "amount", "asset"} {
			if cmd.Flags().Changed(name) {
				return nil, usage("--file and --%s do not go together", name)
			}
		}
		if len(args) > 0 {
			return nil, usage("--file and arguments do not go together")
		}
		return f.readFile(cmd.InOrStdin())
	}
	if err := f.take(cmd, args); err != nil {
		return nil, err
	}
	if f.one.Id == "" {
		f.one.Id = defaultID
	}
	return []*pb.Transfer{&f.one}, nil
}

// take completes the flags with the arguments.
func (f *transferFlags) take(cmd *cobra.Command, args []string) error {
	parts := []struct {
		flag, name string
		value      *string
	}{
		{"from", "FROM", &f.one.Debit},
		{"to", "TO", &f.one.Credit},
		{"amount", "AMOUNT", &f.one.Amount},
	}
	if len(args) != 0 && len(args) != len(parts) {
		return withHint(usage("%s takes FROM TO AMOUNT, got %d arguments", cmd.CommandPath(), len(args)),
			"%s --help", cmd.CommandPath())
	}
	for i, part := range parts {
		given := cmd.Flags().Changed(part.flag)
		switch {
		case len(args) > 0 && given:
			return usage("%s is given twice, as an argument and as --%s", part.name, part.flag)
		case len(args) > 0:
			*part.value = args[i]
		case !given:
			return withHint(usage("%s is missing", part.name), "%s --help", cmd.CommandPath())
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
	for line := 1; lines.Scan(); line++ {
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
	if err := lines.Err(); err != nil {
		return nil, usage("read %s: %w", name, err)
	}
	if len(transfers) == 0 {
		return nil, usage("%s has no transfers", name)
	}
	return transfers, nil
}

func decodeTransfer(line []byte) (*pb.Transfer, error) {
	var t struct {
		ID     string `json:"id"`
		Debit  string `json:"debit"`
		Credit string `json:"credit"`
		Amount string `json:"amount"`
		Asset  string `json:"asset"`
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&t); err != nil {
		return nil, err
	}
	if decoder.More() {
		return nil, errors.New("there is more than one value")
	}
	if t.ID == "" {
		return nil, errors.New("id is missing: without one, a list that is sent again would be made again")
	}
	return &pb.Transfer{Id: t.ID, Debit: t.Debit, Credit: t.Credit, Amount: t.Amount, Asset: t.Asset}, nil
}
