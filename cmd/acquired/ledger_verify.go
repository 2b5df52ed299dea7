package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// verifiedLedger is what a node found when it worked everything out again.
type verifiedLedger struct {
	// Node is the id or address of the node that did.
	Node  string `json:"node"`
	Index uint64 `json:"index"`
	// How many of each were checked; Lines are those of the audit.
	Entries   uint64 `json:"entries"`
	Lines     uint64 `json:"lines"`
	Accounts  uint64 `json:"accounts"`
	Holds     uint64 `json:"holds"`
	Documents uint64 `json:"documents"`
	Assets    uint64 `json:"assets"`
	// Findings are what is wrong, at most 100.
	Findings []string `json:"findings"`
	// Head is the end of the chain of audit lines: nodes with the same state have
	// the same.
	Head string `json:"head"`
}

func (v verifiedLedger) table(w io.Writer) {
	row(w, "node", v.Node)
	row(w, "index", number(v.Index))
	row(w, "journal entries", number(v.Entries))
	row(w, "audit lines", number(v.Lines))
	row(w, "accounts", number(v.Accounts))
	row(w, "holds", number(v.Holds))
	row(w, "documents", number(v.Documents))
	row(w, "assets", number(v.Assets))
	row(w, "head", orDash(v.Head))
	row(w, "findings", number(uint64(len(v.Findings))))
	for _, finding := range v.Findings {
		fmt.Fprintf(w, "  %s\n", printable(finding))
	}
}

// verify refuses books with a finding.
func (v verifiedLedger) verify() error {
	if len(v.Findings) == 0 {
		return nil
	}
	return fault.Conflict.New("the books of %s have %d findings", v.Node, len(v.Findings))
}

func ledgerVerifyCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "verify [NODE]",
		Short: "Make a node work everything out again from its journal",
		Long: `verify makes one node work out every balance, hold, document and sum again from
its journal and compare them with what it has. It ends with status 1 if something
differs. NODE is an id or an address; without it the node that answers does it.

It takes as long as it takes: --timeout is for the connection alone.`,
		Example: "  acquired ledger verify node2",
		Args:    arguments(0, 1, "at most NODE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var found verifiedLedger
			err := g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				node, address, err := findNode(ctx, c, optional(args, 0))
				if err != nil {
					return nil, err
				}
				found, err = verifyLedger(ctx, pb.NewLedgerClient(c.Node(address)), node, cmd.ErrOrStderr())
				return found, err
			})
			if err != nil {
				return err
			}
			return found.verify()
		},
	}
}

// findNode gives the node of that id or address, or without either the one that
// answers.
func findNode(ctx context.Context, c *client.Client, named string) (node, address string, err error) {
	if strings.Contains(named, ":") {
		return named, named, nil
	}
	status, err := c.Cluster.Status(ctx, &pb.StatusRequest{})
	if err != nil {
		return "", "", err
	}
	if named == "" {
		named = status.Node
	}
	for _, n := range status.Nodes {
		if n.Id == named {
			return named, n.Address, nil
		}
	}
	return "", "", withHint(fault.NotFound.New("no node %q", named), "acquired cluster members")
}

// verifyLedger follows the node until it is done.
func verifyLedger(ctx context.Context, ledger pb.LedgerClient, node string, out io.Writer) (verifiedLedger, error) {
	stream, err := ledger.Verify(ctx, &pb.VerifyRequest{})
	if err != nil {
		return verifiedLedger{}, err
	}
	onTerminal, shown := isTerminal(out), false
	for {
		answer, err := stream.Recv()
		if shown && (err != nil || answer.Done) {
			fmt.Fprintln(out)
		}
		switch {
		case errors.Is(err, io.EOF):
			return verifiedLedger{}, fault.Unserved(fault.Definite, "%s ended before it was done", node)
		case err != nil:
			return verifiedLedger{}, err
		case answer.Done:
			return describeVerification(node, answer), nil
		case onTerminal:
			shown = true
			fmt.Fprintf(out, "\r%d entries, %d audit lines, %d accounts, %d holds, %d documents, %d findings",
				answer.Entries, answer.Lines, answer.Accounts, answer.Holds, answer.Documents, len(answer.Findings))
		}
	}
}

func describeVerification(node string, v *pb.VerifyResponse) verifiedLedger {
	return verifiedLedger{
		node, v.Index, v.Entries, v.Lines, v.Accounts, v.Holds, v.Documents, v.Assets, append([]string{}, v.Findings...), v.Head,
	}
}
