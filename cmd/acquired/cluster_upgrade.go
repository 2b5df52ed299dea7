package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

func clusterUpgradeCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "upgrade",
		Short: "Let the cluster use what all its nodes know since their last upgrade",
		Long: `upgrade raises the replicated format number to the newest that every node can
apply. Run it once all nodes run the new release; after that, older releases can
no longer follow.`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Cluster.Upgrade(ctx, &pb.UpgradeRequest{})
				if err != nil {
					return nil, hintMembers(err)
				}
				return clusterFormat{answer.Format}, nil
			})
		},
	}
}

type clusterFormat struct {
	Format uint32 `json:"format"`
}

func (f clusterFormat) table(w io.Writer) { row(w, "format", number(uint64(f.Format))) }
