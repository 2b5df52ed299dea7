package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// noLimit is the word for a ceiling or a daily limit that is no bound, and for no
// owner.
const noLimit = "none"

func orNone(s string) string {
	if s == "" {
		return noLimit
	}
	return s
}

func unlessNone(s string) string {
	if s == noLimit {
		return ""
	}
	return s
}

// metadataFlag sets what is known of an account.
type metadataFlag struct{ pairs []string }

func (m *metadataFlag) register(flags *pflag.FlagSet, more string) {
	flags.StringArrayVar(&m.pairs, "metadata", nil, "KEY=VALUE to keep with the account, at most 16; may be repeated"+more)
}

func (m *metadataFlag) parse() ([]*pb.Metadatum, error) {
	metadata := make([]*pb.Metadatum, len(m.pairs))
	for i, pair := range m.pairs {
		key, value, ok := strings.Cut(pair, "=")
		if !ok || key == "" {
			return nil, usage("--metadata %q is not KEY=VALUE", pair)
		}
		metadata[i] = &pb.Metadatum{Key: key, Value: value}
	}
	return metadata, nil
}

// changed is the answer to a change of an account.
type changed struct {
	Index   uint64 `json:"index"`
	Version uint64 `json:"version"`
}

func (c changed) table(w io.Writer) {
	row(w, "index", number(c.Index))
	row(w, "version", number(c.Version))
}

// changeAccount makes a change and prints the version that the account then has.
func (g *globals) changeAccount(cmd *cobra.Command, request *requestFlag, change *pb.ChangeAccountRequest) error {
	return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
		answer, err := c.Ledger.ChangeAccount(client.WithRequestID(ctx, request.resolve()), change)
		if err != nil {
			return nil, request.explain(hintAccount(err))
		}
		return changed{answer.Index, answer.Version}, nil
	})
}

func ifVersionFlag(flags *pflag.FlagSet, version *uint64) {
	flags.Uint64Var(version, "if-version", 0, "refuse it if the account has another version; 0 is any")
}

func ledgerAccountSetCommand(g *globals) *cobra.Command {
	var request requestFlag
	var change pb.ChangeAccountRequest
	var metadata metadataFlag
	var owner string
	cmd := &cobra.Command{
		Use:     "set PATH",
		Short:   "Set the owner or the metadata of an account",
		Example: "  acquired ledger account set /account/physics/alice --owner /user/alice --metadata cost-centre=4711",
		Args:    arguments(1, 1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			change.Path = args[0]
			if change.Metadata, err = metadata.parse(); err != nil {
				return err
			}
			if cmd.Flags().Changed("owner") {
				change.Owner = new(unlessNone(owner))
			}
			if change.Owner == nil && len(change.Metadata) == 0 {
				return hintHelp(cmd, usage("%s: nothing to set is given", cmd.CommandPath()))
			}
			return g.changeAccount(cmd, &request, &change)
		},
	}
	request.register(cmd.Flags())
	cmd.Flags().StringVar(&owner, "owner", "", `a principal, for information, or "none" (default: as it is)`)
	metadata.register(cmd.Flags(), "; KEY= takes it away")
	ifVersionFlag(cmd.Flags(), &change.IfVersion)
	return cmd
}

func ledgerLimitsCommand(g *globals) *cobra.Command {
	var request requestFlag
	var change pb.ChangeAccountRequest
	var overdraft, ceiling, dailyLimit string
	var holdOverdraft bool
	cmd := &cobra.Command{
		Use:   "limits PATH",
		Short: "Set the limits of an account",
		Long: `limits sets those limits that are given; the others stay. One below what is used
already is refused. Amounts are in the unit of the account's asset.

The daily limit is on what is debited and what is reserved in a day. What is reserved
counts at once, and stays counted if it is released or expires the same day. Taking
back an invoice, or a part of it, counts for its revenue account. A refund does not.`,
		Example: "  acquired ledger limits /account/physics/alice --overdraft 250.00 --ceiling none",
		Args:    arguments(1, 1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			change.Path = args[0]
			given := cmd.Flags().Changed
			if given("overdraft") {
				change.Overdraft = &overdraft
			}
			if given("ceiling") {
				change.Ceiling = new(unlessNone(ceiling))
			}
			if given("hold-overdraft") {
				change.HoldOverdraft = &holdOverdraft
			}
			if given("daily-limit") {
				change.DailyLimit = new(unlessNone(dailyLimit))
			}
			if change.Overdraft == nil && change.Ceiling == nil && change.HoldOverdraft == nil && change.DailyLimit == nil {
				return hintHelp(cmd, usage("%s: no limit is given", cmd.CommandPath()))
			}
			return g.changeAccount(cmd, &request, &change)
		},
	}
	request.register(cmd.Flags())
	cmd.Flags().StringVar(&overdraft, "overdraft", "", `how far below zero the balance may go, or "unlimited" (default: as it is)`)
	cmd.Flags().StringVar(&ceiling, "ceiling", "", `the most that the balance may be, or "none" (default: as it is)`)
	cmd.Flags().StringVar(&dailyLimit, "daily-limit", "", `the most that may be spent in a day, UTC, or "none" (default: as it is)`)
	cmd.Flags().BoolVar(&holdOverdraft, "hold-overdraft", false, "whether holds that are placed from now on may reserve of the overdraft (default: as it is)")
	ifVersionFlag(cmd.Flags(), &change.IfVersion)
	return cmd
}

// ledgerFreezeCommand is for freeze, and for unfreeze.
func ledgerFreezeCommand(g *globals, name, short string, frozen bool) *cobra.Command {
	var request requestFlag
	change := pb.ChangeAccountRequest{Frozen: &frozen}
	cmd := &cobra.Command{
		Use:     name + " PATH",
		Short:   short,
		Example: fmt.Sprintf("  acquired ledger %s /account/physics/alice", name),
		Args:    arguments(1, 1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			change.Path = args[0]
			return g.changeAccount(cmd, &request, &change)
		},
	}
	request.register(cmd.Flags())
	ifVersionFlag(cmd.Flags(), &change.IfVersion)
	return cmd
}

func ledgerCloseCommand(g *globals) *cobra.Command {
	var request requestFlag
	cmd := &cobra.Command{
		Use:     "close PATH",
		Short:   "Close an account that is empty, for ever; its journal stays",
		Example: "  acquired ledger close /account/physics/alice",
		Args:    arguments(1, 1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				ctx = client.WithRequestID(ctx, request.resolve())
				answer, err := c.Ledger.CloseAccount(ctx, &pb.CloseAccountRequest{Path: args[0]})
				if err != nil {
					return nil, request.explain(hintAccount(err))
				}
				return written{answer.Index}, nil
			})
		},
	}
	request.register(cmd.Flags())
	return cmd
}
