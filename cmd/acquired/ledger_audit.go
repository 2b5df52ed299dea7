package main

import (
	"context"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// auditList says who did what to money, and what was refused.
type auditList struct {
	Lines []auditLine `json:"lines"`
	// Cursor is where to go on; empty when that is all.
	Cursor string `json:"cursor"`

	// wide is how it was asked for.
	wide bool
}

type auditLine struct {
	Index   uint64 `json:"index"`
	Counter uint32 `json:"counter"`
	Time    string `json:"time"`
	// Principal is whose rights were used, Actors who acted on their behalf.
	Principal string   `json:"principal"`
	Actors    []string `json:"actors"`
	RequestID string   `json:"request_id"`
	Command   string   `json:"command"`
	// What names what was asked for, Details is what that said. Accounts are those
	// that it is about, beside those of its entries.
	What     string   `json:"what"`
	Details  string   `json:"details"`
	Accounts []string `json:"accounts"`
	// Refusal is a kind of fault; empty when it was done.
	Refusal string `json:"refusal"`
	Message string `json:"message"`
	// Entries is how many it made of the journal, EntriesHash their SHA-256.
	Entries     uint32 `json:"entries"`
	EntriesHash string `json:"entries_hash"`
	// Hash is the SHA-256 of this line and the hash of the one before.
	Hash string `json:"hash"`
}

func describeAuditLine(l *pb.AuditLine) auditLine {
	return auditLine{
		l.Index, l.Counter, formatNanos(l.UnixNanos), l.Principal, append([]string{}, l.Actors...), l.RequestId,
		l.Command, l.What, l.Details, append([]string{}, l.Accounts...), l.Refusal, l.Message, l.Entries, l.EntriesHash, l.Hash,
	}
}

func (l auditList) table(w io.Writer) {
	if l.wide {
		l.wideTable(w)
		return
	}
	row(w, "INDEX", "TIME", "PRINCIPAL", "COMMAND", "REFUSED", "ENTRIES", "WHAT")
	for _, line := range l.Lines {
		what := line.What
		if line.Details != "" {
			what += " (" + line.Details + ")"
		}
		row(w, number(line.Index), line.Time, orDash(line.Principal), line.Command, orDash(line.Refusal), number(uint64(line.Entries)),
			orDash(oneLine(what)))
	}
	rowCursor(w, l.Cursor)
}

func (l auditList) wideTable(w io.Writer) {
	row(w, "INDEX", "TIME", "PRINCIPAL", "ACTORS", "REQUEST", "COMMAND", "REFUSED", "ENTRIES", "WHAT", "DETAILS", "MESSAGE")
	for _, line := range l.Lines {
		row(w, number(line.Index), line.Time, orDash(line.Principal), orDash(strings.Join(line.Actors, " ")), orDash(printable(line.RequestID)),
			line.Command, orDash(line.Refusal), number(uint64(line.Entries)), orDash(printable(line.What)), orDash(printable(line.Details)),
			orDash(printable(line.Message)))
	}
	rowCursor(w, l.Cursor)
}

func ledgerAuditCommand(g *globals) *cobra.Command {
	var list listFlags
	var during rangeFlags
	var wide bool
	request := &pb.AuditRequest{}
	cmd := &cobra.Command{
		Use:   "audit",
		Short: "List who did what to money, and what was refused",
		Long: `audit lists who did what to money, and what was refused, oldest first: --from says
from when on, and --limit how many lines. The hash of the newest line, the last one
with --limit 0, is the head that verify prints.`,
		Example: `  acquired ledger audit --account /account/physics/alice --from -7d
  acquired ledger audit --principal /user/alice -o json`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if request.FromUnixNanos, request.UntilUnixNanos, err = during.parse(time.Now()); err != nil {
				return err
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				lines, cursor, err := gather(&list, func(cursor string, limit uint32) ([]auditLine, string, error) {
					request.Cursor, request.Limit = cursor, limit
					answer, err := c.Ledger.Audit(ctx, request)
					if err != nil {
						return nil, "", hintRead(err)
					}
					return described(answer.Lines, describeAuditLine), answer.Cursor, nil
				})
				return auditList{lines, cursor, wide}, err
			})
		},
	}
	cmd.Flags().StringVar(&request.Account, "account", "", "only what moved or tried to move money of this account, or changed it (default: all)")
	cmd.Flags().StringVar(&request.Principal, "principal", "", "only what this principal asked for (default: anybody)")
	cmd.Flags().BoolVar(&wide, "wide", false, "a table with all that is known of each line, which is wide: also who acted, the request id, and why it was refused")
	during.register(cmd.Flags())
	list.register(cmd.Flags())
	return cmd
}
