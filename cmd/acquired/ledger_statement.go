package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// statement is a part of what happened on an account.
type statement struct {
	Path  string          `json:"path"`
	Asset string          `json:"asset"`
	Lines []statementLine `json:"lines"`
	// Cursor is where the next part begins; empty when there is none.
	Cursor string `json:"cursor"`
}

type statementLine struct {
	Index        uint64 `json:"index"`
	Time         string `json:"time"`
	Transfer     string `json:"transfer"`
	Counterparty string `json:"counterparty"`
	// One of Debit and Credit is empty.
	Debit  string `json:"debit"`
	Credit string `json:"credit"`
	// Balance is that after the line.
	Balance string `json:"balance"`
}

func (s statement) table(w io.Writer) {
	s.tableHead(w)
	s.tableLines(w)
	if s.Cursor != "" {
		fmt.Fprintf(w, "\nmore: --cursor %s\n", s.Cursor)
	}
}

func (s statement) tableHead(w io.Writer) {
	row(w, "INDEX", "TIME", "TRANSFER", "COUNTERPARTY", "DEBIT", "CREDIT", "BALANCE "+s.Asset)
}

func (s statement) tableLines(w io.Writer) {
	for _, l := range s.Lines {
		row(w, number(l.Index), l.Time, l.Transfer, l.Counterparty, l.Debit, l.Credit, l.Balance)
	}
}

func describeStatement(answer *pb.StatementResponse) statement {
	s := statement{Path: answer.Path, Asset: answer.Asset, Cursor: answer.Cursor, Lines: make([]statementLine, len(answer.Lines))}
	for i, l := range answer.Lines {
		s.Lines[i] = statementLine{
			Index:        l.Index,
			Time:         time.Unix(0, l.UnixNanos).UTC().Format(time.RFC3339Nano),
			Transfer:     l.Transfer,
			Counterparty: l.Counterparty,
			Debit:        l.Debit,
			Credit:       l.Credit,
			Balance:      l.Balance,
		}
	}
	return s
}

func ledgerStatementCommand(g *globals) *cobra.Command {
	var request pb.StatementRequest
	var all bool
	cmd := &cobra.Command{
		Use:   "statement PATH",
		Short: "List what was debited from and credited to an account",
		Args:  arguments(1, 1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			request.Path = args[0]
			if all && cmd.Flags().Changed("limit") {
				return usage("--all and --limit do not go together")
			}
			if all {
				return g.wholeStatement(cmd, &request)
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Ledger.Statement(ctx, &request)
				if err != nil {
					return nil, hintRead(hintAccount(err))
				}
				return describeStatement(answer), nil
			})
		},
	}
	cmd.Flags().Uint32Var(&request.Limit, "limit", 100, "most lines, up to 1000")
	cmd.Flags().StringVar(&request.Cursor, "cursor", "", "where to go on: the cursor of an earlier statement")
	cmd.Flags().BoolVar(&request.NewestFirst, "newest-first", false, "newest lines first")
	cmd.Flags().BoolVar(&all, "all", false, "all lines from the cursor on")
	return cmd
}
