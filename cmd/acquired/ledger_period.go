package main

import (
	"context"
	"io"
	"time"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

func ledgerPeriodCommand(g *globals) *cobra.Command {
	return nounCommand("period", "Times that nothing can be added to any more",
		ledgerPeriodCloseCommand(g),
		ledgerPeriodListCommand(g),
	)
}

func ledgerPeriodCloseCommand(g *globals) *cobra.Command {
	var request requestFlag
	var until string
	period := &pb.ClosePeriodRequest{}
	cmd := &cobra.Command{
		Use:     "close --until TIME",
		Short:   "End back-dating into the time before an instant, for ever",
		Example: "  acquired ledger period close --until 2026-11-01 --name 2026-10",
		Args:    arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			if period.UntilUnixNanos, err = parseInstant("until", until, time.Now()); err != nil {
				return err
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Ledger.ClosePeriod(client.WithRequestID(ctx, request.resolve()), period)
				if err != nil {
					return nil, request.explain(err)
				}
				return written{answer.Index}, nil
			})
		},
	}
	request.register(cmd.Flags())
	cmd.Flags().StringVar(&until, "until", "", "the first instant after the period, after that of the one before and not after now: "+writtenInstantForm)
	cmd.Flags().StringVar(&period.Name, "name", "", "what to call the period, at most 64 bytes (default: nothing)")
	requireFlag(cmd, "until")
	return cmd
}

// periodList are the closed periods.
type periodList struct {
	Periods []period `json:"periods"`
}

type period struct {
	Name string `json:"name"`
	// Until is the first instant after it, Time when it was closed.
	Until     string `json:"until"`
	Index     uint64 `json:"index"`
	Time      string `json:"time"`
	Principal string `json:"principal"`
}

func (l periodList) table(w io.Writer) {
	row(w, "PERIOD", "UNTIL", "CLOSED", "BY", "INDEX")
	for _, p := range l.Periods {
		row(w, orDash(oneLine(p.Name)), p.Until, p.Time, orDash(p.Principal), number(p.Index))
	}
}

func ledgerPeriodListCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the closed periods",
		Example: "  acquired ledger period list",
		Args:    arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Ledger.Periods(ctx, &pb.PeriodsRequest{})
				if err != nil {
					return nil, hintRead(err)
				}
				return periodList{described(answer.Periods, func(p *pb.Period) period {
					return period{p.Name, formatNanos(p.UntilUnixNanos), p.Index, formatNanos(p.UnixNanos), p.Principal}
				})}, nil
			})
		},
	}
}
