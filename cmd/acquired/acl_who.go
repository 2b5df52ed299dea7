package main

import (
	"context"
	"io"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// principalList is who may do something.
type principalList struct {
	Principals []string `json:"principals"`
	// More is set when --limit cut it.
	More bool `json:"more"`
}

func (l principalList) table(w io.Writer) { listTable(w, l.Principals, l.More) }

// pathList is where something may be done.
type pathList struct {
	Paths []string `json:"paths"`
	// More is set when --limit cut it.
	More bool `json:"more"`
}

func (l pathList) table(w io.Writer) { listTable(w, l.Paths, l.More) }

func listTable(w io.Writer, lines []string, more bool) {
	for _, line := range lines {
		row(w, line)
	}
	rowMore(w, more, len(lines))
}

func aclWhoCanCommand(g *globals) *cobra.Command {
	var under string
	var limit limitFlag
	cmd := &cobra.Command{
		Use:               "who-can OPERATION PATH",
		Short:             "List the principals that may do an operation on a path",
		Example:           "  acquired acl who-can Read /data/physics --under /user",
		Args:              arguments(2, 2, "OPERATION PATH"),
		ValidArgsFunction: completeOperation,
		RunE: func(cmd *cobra.Command, args []string) error {
			operation, err := parseOperation(args[0])
			if err != nil {
				return err
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				principals, more, err := whoCan(ctx, c, &limit, &pb.WhoCanRequest{Operation: operation, Path: args[1], Under: under})
				if err != nil {
					return nil, hintRead(hintVisible(err))
				}
				return principalList{principals, more}, nil
			})
		},
	}
	cmd.Flags().StringVar(&under, "under", "", "only principals at this path and below (default: all)")
	limit.register(cmd.Flags())
	return cmd
}

func whoCan(ctx context.Context, c *client.Client, limit *limitFlag, request *pb.WhoCanRequest) (principals []string, more bool, err error) {
	return pages(limit, func(cursor string, most uint32) ([]string, string, error) {
		request.Cursor, request.Limit = cursor, most
		answer, err := c.Acl.WhoCan(ctx, request)
		return answer.GetPrincipals(), answer.GetCursor(), err
	})
}

func aclWhatCanCommand(g *globals) *cobra.Command {
	var request pb.WhatCanRequest
	var limit limitFlag
	cmd := &cobra.Command{
		Use:               "what-can OPERATION",
		Short:             "List the paths on which a principal may do an operation",
		Example:           "  acquired acl what-can Read --principal /user/alice --under /data",
		Args:              arguments(1, 1, "OPERATION"),
		ValidArgsFunction: completeOperation,
		RunE: func(cmd *cobra.Command, args []string) error {
			operation, err := parseOperation(args[0])
			if err != nil {
				return err
			}
			request.Operation = operation
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				paths, more, err := pages(&limit, func(cursor string, most uint32) ([]string, string, error) {
					request.Cursor, request.Limit = cursor, most
					answer, err := c.Acl.WhatCan(ctx, &request)
					return answer.GetPaths(), answer.GetCursor(), err
				})
				if err != nil {
					return nil, hintRead(hintVisible(err))
				}
				return pathList{paths, more}, nil
			})
		},
	}
	principalFlag(cmd, &request.Principal)
	cmd.Flags().StringVar(&request.Under, "under", "", "only paths here and below (default: all)")
	limit.register(cmd.Flags())
	return cmd
}
