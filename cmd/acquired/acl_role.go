package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func aclGrantCommand(g *globals) *cobra.Command {
	cmd := grantCommand(g)
	cmd.Use = "grant ROLE PRINCIPAL"
	cmd.Example = "  acquired acl grant /role/physics/member /user/alice --end 2027-01-31"
	return cmd
}

func aclRevokeCommand(g *globals) *cobra.Command {
	cmd := revokeCommand(g)
	cmd.Use = "revoke ROLE PRINCIPAL"
	cmd.Example = "  acquired acl revoke /role/physics/member /user/alice"
	return cmd
}

func grantCommand(g *globals) *cobra.Command {
	var request requestFlag
	var times timesFlag
	cmd := &cobra.Command{
		Short: "Give a role to a principal, or to all principals of a directory",
		Args:  arguments(2, 2, "ROLE PRINCIPAL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			start, end, err := times.parse(time.Now())
			if err != nil {
				return err
			}
			applied := roleAnnotation(args[0])
			applied.StartUnixNanos, applied.EndUnixNanos = start, end
			return g.changeTree(cmd, &request, changesOf(annotateChange(args[1], applied, 0)), showAnnotated)
		},
	}
	request.register(cmd.Flags())
	times.register(cmd.Flags())
	return cmd
}

func roleAnnotation(role string) *pb.Annotation {
	return &pb.Annotation{Tag: roleTag, Content: &pb.Annotation_Role{Role: &pb.RoleName{Path: role}}}
}

func revokeCommand(g *globals) *cobra.Command {
	var request requestFlag
	var force bool
	cmd := &cobra.Command{
		Short: "Take a role from a principal, or from a directory of principals",
		Args:  arguments(2, 2, "ROLE PRINCIPAL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			role, err := parsePath(args[0])
			if err != nil {
				return err
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Acl.Describe(ctx, &pb.DescribeRequest{Path: args[1]})
				if err != nil {
					return nil, hintVisible(err)
				}
				change, err := withdraw(role, answer)
				if err != nil {
					return nil, err
				}
				change.Force = force
				changed, err := request.changeTree(ctx, c, change)
				if err != nil {
					return nil, err
				}
				return written{changed.Index}, nil
			})
		},
	}
	request.register(cmd.Flags())
	forceFlag(cmd, &force)
	return cmd
}

// withdraw gives the change that takes the role off what is described, however
// often it was applied, provided that nobody changes it meanwhile.
func withdraw(role string, described *pb.DescribeResponse) (*pb.ChangeRequest, error) {
	p := described.Node.Path
	change := &pb.ChangeRequest{}
	for _, a := range described.Annotations {
		if a.GetRole().GetPath() == role {
			change.Changes = append(change.Changes, unannotateChange(p, roleTag, a.Unique, int64(a.Version)))
		}
	}
	if len(change.Changes) > 0 {
		return change, nil
	}
	err := fault.NotFound.New("%s has no role %s of its own", p, role)
	for _, a := range described.Inherited {
		if a.Annotation.GetRole().GetPath() == role {
			return nil, withHint(err, "it is that of %s: acquired acl revoke %s %s", a.At, role, a.At)
		}
	}
	if !strings.HasPrefix(role, rolesRoot+"/") {
		return nil, withHint(err, "the role comes first, the principal second")
	}
	return nil, err
}
