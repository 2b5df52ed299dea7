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
	// Created is from when on it signed, Until when another took its place; empty for
	// the one that signs.
	Created string `json:"created"`
	Until   string `json:"until"`
	// Current: it signs now. What others signed stays good.
	Current bool `json:"current"`
}

func describeDocumentKey(k *pb.DocumentKey) documentKey {
	return documentKey{k.Verifier, formatNanos(k.CreatedUnixNanos), formatNanos(k.UntilUnixNanos), k.Current}
}

func (l documentKeyList) table(w io.Writer) {
	row(w, "KEY", "CREATED", "UNTIL", "CURRENT")
	for _, k := range l.Keys {
		row(w, k.Verifier, k.Created, orDash(k.Until), yesNo(k.Current))
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
		Short: "List the keys with which documents are verified offline, or rotate them",
		Example: `  acquired ledger document keys --save keys
  acquired ledger document verify receipt.note --key keys`,
		Args: arguments(0, 0, "no arguments, or rotate"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if file != "" && fileExists(file) {
				return fault.Exists.New("%s exists", file)
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Ledger.DocumentKeys(ctx, &pb.DocumentKeysRequest{})
				if err != nil {
					return nil, hintRead(err)
				}
				list := documentKeyList{described(answer.Keys, describeDocumentKey)}
				if file == "" {
					return list, nil
				}
				return list, os.WriteFile(file, []byte(list.lines()), 0o644)
			})
		},
	}
	cmd.Flags().StringVar(&file, "save", "", "write the keys, one a line, to this new file too (default: none)")
	cmd.AddCommand(ledgerDocumentKeysRotateCommand(g))
	return cmd
}

// rotatedKey is the key that signs since a rotation.
type rotatedKey struct {
	Verifier string `json:"verifier"`
	// Index is from which on it signs.
	Index uint64 `json:"index"`
}

func (k rotatedKey) table(w io.Writer) {
	row(w, "key", k.Verifier)
	row(w, "index", number(k.Index))
}

func ledgerDocumentKeysRotateCommand(g *globals) *cobra.Command {
	var request requestFlag
	cmd := &cobra.Command{
		Use:   "rotate",
		Short: "Sign documents with a new key from now on",
		Long: `rotate makes the cluster sign all documents with a new key from now on, older ones
too when they are asked for again. The keys before it stay published for ever, and
what they signed verifies as it did; there can be 64 in all. Those who verify need the
list anew. It does not make a stolen key harmless: see docs/runbooks/stolen-document-key.md.`,
		Example: `  acquired ledger document keys rotate
  acquired ledger document keys --save keys`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				ctx = client.WithRequestID(ctx, request.resolve())
				answer, err := c.Ledger.RotateDocumentKey(ctx, &pb.RotateDocumentKeyRequest{})
				if err != nil {
					return nil, request.explain(err)
				}
				return rotatedKey{answer.Verifier, answer.Index}, nil
			})
		},
	}
	request.register(cmd.Flags())
	return cmd
}
