package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// documentKeyList are the keys that documents are and were signed with.
type documentKeyList struct {
	Keys []documentKey `json:"keys"`
}

type documentKey struct {
	// Verifier is the key as --key takes it.
	Verifier string `json:"verifier"`
	Created  string `json:"created"`
	// Current: it signs now. What others signed stays good.
	Current bool `json:"current"`
}

func (l documentKeyList) table(w io.Writer) {
	row(w, "KEY", "CREATED", "CURRENT")
	for _, k := range l.Keys {
		row(w, k.Verifier, k.Created, yesNo(k.Current))
	}
}

// lines gives a file of keys.
func (l documentKeyList) lines() string {
	var lines strings.Builder
	for _, k := range l.Keys {
		fmt.Fprintln(&lines, k.Verifier)
	}
	return lines.String()
}

func ledgerDocumentKeysCommand(g *globals) *cobra.Command {
	var file string
	cmd := &cobra.Command{
		Use:   "keys",
		Short: "List the keys with which documents are verified offline",
		Example: `  acquired ledger document keys --save keys
  acquired ledger document verify receipt.note --key keys`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file != "" && fileExists(file) {
				return fault.Exists.New("%s exists", file)
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Ledger.DocumentKeys(ctx, &pb.DocumentKeysRequest{})
				if err != nil {
					return nil, hintRead(err)
				}
				list := documentKeyList{described(answer.Keys, func(k *pb.DocumentKey) documentKey {
					return documentKey{k.Verifier, formatNanos(k.CreatedUnixNanos), k.Current}
				})}
				if file == "" {
					return list, nil
				}
				return list, os.WriteFile(file, []byte(list.lines()), 0o644)
			})
		},
	}
	cmd.Flags().StringVar(&file, "save", "", "write the keys, one a line, to this new file too (default: none)")
	return cmd
}
