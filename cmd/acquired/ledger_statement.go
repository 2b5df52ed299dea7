package main

import (
	"cmp"
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// statementLines is how many lines there are if it is not said.
const statementLines = 100

// statement is a part of what happened on an account.
type statement struct {
	Path  string          `json:"path"`
	Asset string          `json:"asset"`
	Lines []statementLine `json:"lines"`
	// Opening and Closing are the balance before the first of the lines and after
	// the last, in the order of time.
	Opening string `json:"opening"`
	Closing string `json:"closing"`
	// Cursor is where the next part begins; empty when there is none.
	Cursor string `json:"cursor"`

	// effective, subtree and newestFirst are how it was asked for.
	effective, subtree, newestFirst bool
}

type statementLine struct {
	Index uint64 `json:"index"`
	Time  string `json:"time"`
	// Effective is when it counts as having happened.
	Effective string `json:"effective"`
	// Transfer is the id of the step that made it, of the Kind.
	Transfer string `json:"transfer"`
	Kind     string `json:"kind"`
	// Account is the one that the line is of; it is empty but in a statement of a
	// subtree.
	Account      string `json:"account"`
	Counterparty string `json:"counterparty"`
	// One of Debit and Credit is empty.
	Debit  string `json:"debit"`
	Credit string `json:"credit"`
	// Balance is that after the line.
	Balance     string `json:"balance"`
	Description string `json:"description"`
}

func (s statement) table(w io.Writer) {
	s.tableHead(w)
	s.tableLines(w)
	s.tableEnd(w)
	rowCursor(w, s.Cursor)
}

// tableHead has what stands above the lines.
func (s statement) tableHead(w io.Writer) {
	s.tableRow(w, "INDEX", "TIME", "EFFECTIVE", "ACCOUNT",
		"TRANSFER", "KIND", "COUNTERPARTY", "DEBIT", "CREDIT", "BALANCE "+s.Asset, "DESCRIPTION")
	if s.newestFirst {
		s.tableBalance(w, "closing", s.Closing)
		return
	}
	s.tableBalance(w, "opening", s.Opening)
}

// tableEnd has what stands below the lines.
func (s statement) tableEnd(w io.Writer) {
	if s.newestFirst {
		s.tableBalance(w, "opening", s.Opening)
		return
	}
	s.tableBalance(w, "closing", s.Closing)
}

func (s statement) tableBalance(w io.Writer, name, balance string) {
	s.tableRow(w, name, "", "", "", "", "", "", "", "", balance, "-")
}

func (s statement) tableLines(w io.Writer) {
	for _, l := range s.Lines {
		s.tableRow(w, number(l.Index), l.Time, l.Effective, l.Account,
			l.Transfer, l.Kind, l.Counterparty, l.Debit, l.Credit, l.Balance, orDash(oneLine(l.Description)))
	}
}

// tableRow has only the columns that were asked for.
func (s statement) tableRow(w io.Writer, index, at, effective, account string, more ...string) {
	cells := []string{index, at}
	if s.effective {
		cells = append(cells, effective)
	}
	if s.subtree {
		cells = append(cells, account)
	}
	row(w, append(cells, more...)...)
}

// gatherStatement asks for pages until there are as many lines as the request wants,
// or no more: a page may be short, or empty, before the end.
func gatherStatement(request *pb.StatementRequest, ask func() (*pb.StatementResponse, error)) (statement, error) {
	want := cmp.Or(request.Limit, statementLines)
	answer, err := ask()
	if err != nil {
		return statement{}, err
	}
	whole := describeStatement(request, answer)
	for whole.Cursor != "" && len(whole.Lines) < int(want) {
		request.Cursor, request.Limit = whole.Cursor, want-uint32(len(whole.Lines))
		if answer, err = ask(); err != nil {
			return statement{}, err
		}
		whole.extend(describeStatement(request, answer))
	}
	return whole, nil
}

// extend adds the next page.
func (s *statement) extend(page statement) {
	s.Lines, s.Cursor = append(s.Lines, page.Lines...), page.Cursor
	if s.newestFirst {
		s.Opening = page.Opening
		return
	}
	s.Closing = page.Closing
}

func describeStatement(request *pb.StatementRequest, answer *pb.StatementResponse) statement {
	return statement{
		Path: answer.Path, Asset: answer.Asset, Lines: described(answer.Lines, describeStatementLine),
		Opening: answer.Opening, Closing: answer.Closing, Cursor: answer.Cursor,
		effective: request.Effective, subtree: request.Subtree, newestFirst: request.NewestFirst,
	}
}

func describeStatementLine(l *pb.StatementLine) statementLine {
	return statementLine{
		Index: l.Index, Time: formatNanos(l.UnixNanos), Effective: formatNanos(l.EffectiveUnixNanos),
		Transfer: l.Transfer, Kind: l.Kind, Account: l.Account, Counterparty: l.Counterparty,
		Debit: l.Debit, Credit: l.Credit, Balance: l.Balance, Description: l.Description,
	}
}

func ledgerStatementCommand(g *globals) *cobra.Command {
	var request pb.StatementRequest
	var during rangeFlags
	var all bool
	cmd := &cobra.Command{
		Use:   "statement PATH",
		Short: "List what was debited from and credited to an account",
		Long: `statement lists the lines of an account, between its balances before the first of
them (opening) and after the last (closing) in the order of time. If there is no
account at PATH any more, as ephemeral ones go when they are empty, it is that of the
last one. Lines of earlier accounts at PATH are in the statement of the folder with
--subtree, and their entries in acquired ledger export --under PATH.`,
		Example: `  acquired ledger statement /account/physics/alice --newest-first --limit 10
  acquired ledger statement /account/physics --subtree --asset USD --from 2026-10-01 --until 2026-11-01 --effective`,
		Args: arguments(1, 1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			request.Path = args[0]
			if request.FromUnixNanos, request.UntilUnixNanos, err = during.parse(time.Now()); err != nil {
				return err
			}
			if request.Asset != "" && !request.Subtree {
				return usage("--asset is for --subtree: an account has one asset")
			}
			if all && cmd.Flags().Changed("limit") {
				return usage("--all and --limit do not go together")
			}
			if all || request.Limit == 0 {
				return g.wholeStatement(cmd, &request)
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				return gatherStatement(&request, func() (*pb.StatementResponse, error) {
					answer, err := c.Ledger.Statement(ctx, &request)
					return answer, hintRead(hintAccount(err))
				})
			})
		},
	}
	cmd.Flags().Uint32Var(&request.Limit, "limit", statementLines, "most lines, up to 1000; 0 is all")
	cmd.Flags().StringVar(&request.Cursor, "cursor", "", "where to go on: the cursor of an earlier statement")
	cmd.Flags().BoolVar(&request.NewestFirst, "newest-first", false, "newest lines first")
	cmd.Flags().BoolVar(&all, "all", false, "all lines from the cursor on")
	during.register(cmd.Flags())
	cmd.Flags().BoolVar(&request.Effective, "effective", false, "in the order, and between the bounds, of effective time (default: of log time)")
	cmd.Flags().BoolVar(&request.Subtree, "subtree", false, "lines of all accounts of the asset at and below PATH, up to 2000 of them (default: of the one account)")
	cmd.Flags().StringVar(&request.Asset, "asset", "", "with --subtree: the asset (default: the only one)")
	return cmd
}
