package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"google.golang.org/grpc"
	"google.golang.org/grpc/peer"

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
	row(w, "journal entries", number(v.Entries), "their order and times, closed periods, the steps that made them, the balances after each")
	row(w, "audit lines", number(v.Lines), "the chain from the first line to the head, the entries of each command")
	row(w, "accounts", number(v.Accounts), "counters worked out from the entries, now and for the past; limits, open holds")
	row(w, "holds", number(v.Holds), "amounts and states worked out from the entries, when they lapse")
	row(w, "documents", number(v.Documents), "texts and their hashes, what was cashed, paid, credited and refunded")
	row(w, "assets", number(v.Assets), "totals summed from the accounts; debits equal credits, posted and pending")
	row(w, "indexes", "all", "each leads to the records that it is of, and to no others")
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
its journal and compare them with what it has, and says what it compared. It ends
with status 1 if something differs. NODE is an address, or an id if you may Read /;
without it the node that answers does it.

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
				ledger := c.Ledger
				if address != "" {
					ledger = pb.NewLedgerClient(c.Node(address))
				}
				found, err = verifyLedger(ctx, ledger, node, cmd.ErrOrStderr())
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
// answers. Who is not told of the nodes has none to choose: both are empty then.
func findNode(ctx context.Context, c *client.Client, named string) (node, address string, err error) {
	if strings.Contains(named, ":") {
		return named, named, nil
	}
	status, err := c.Cluster.Status(ctx, &pb.StatusRequest{})
	hidden := errors.Is(err, fault.Denied) || errors.Is(err, fault.NotFound)
	switch {
	case hidden && named == "":
		return "", "", nil
	case hidden:
		return "", "", withHint(err, "the address of a node, in place of %s, needs no Read on /", named)
	case err != nil:
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

// verifyLedger asks a node and waits until it is done. An empty node is the one that
// answers, which goes by its address.
func verifyLedger(ctx context.Context, ledger pb.LedgerClient, node string, out io.Writer) (verifiedLedger, error) {
	var answering peer.Peer // known when the stream has ended
	stream, err := ledger.Verify(ctx, &pb.VerifyRequest{}, grpc.Peer(&answering))
	if err != nil {
		return verifiedLedger{}, err
	}
	last, err := followVerification(stream, out)
	if err != nil {
		return verifiedLedger{}, err
	}
	if node == "" {
		node = answering.Addr.String()
	}
	if !last.Done {
		return verifiedLedger{}, fault.Unserved(fault.Definite, "%s ended before it was done", node)
	}
	return describeVerification(node, last), nil
}

// followVerification gives the last message of the stream, which it reads to its
// end.
func followVerification(stream grpc.ServerStreamingClient[pb.VerifyResponse], out io.Writer) (*pb.VerifyResponse, error) {
	last, onTerminal, shown := &pb.VerifyResponse{}, isTerminal(out), false
	for {
		answer, err := stream.Recv()
		if err != nil && shown {
			fmt.Fprintln(out)
		}
		switch {
		case errors.Is(err, io.EOF):
			return last, nil
		case err != nil:
			return nil, err
		case onTerminal:
			shown = true
			fmt.Fprintf(out, "\r%d entries, %d audit lines, %d accounts, %d holds, %d documents, %d findings",
				answer.Entries, answer.Lines, answer.Accounts, answer.Holds, answer.Documents, len(answer.Findings))
		}
		last = answer
	}
}

func describeVerification(node string, v *pb.VerifyResponse) verifiedLedger {
	return verifiedLedger{
		node, v.Index, v.Entries, v.Lines, v.Accounts, v.Holds, v.Documents, v.Assets, append([]string{}, v.Findings...), v.Head,
	}
}
