package main

import (
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	pb "acquired/proto/acquired/v1"
)

func aclMkdirCommand(g *globals) *cobra.Command {
	cmd := createCommand(g, true)
	cmd.Use = "mkdir PATH"
	cmd.Short = "Make a directory"
	cmd.Example = "  acquired acl mkdir /data/physics/lhc --parents"
	return cmd
}

func aclCreateCommand(g *globals) *cobra.Command {
	cmd := createCommand(g, false)
	cmd.Use = "create PATH"
	cmd.Short = "Make a leaf: a principal, a role, a thing that has a name"
	cmd.Example = "  acquired acl create /role/physics/member --parents"
	return cmd
}

func createCommand(g *globals, directory bool) *cobra.Command {
	var request requestFlag
	var parents bool
	cmd := &cobra.Command{
		Args: arguments(1, 1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.changeTree(cmd, &request, changesOf(createChange(args[0], directory, parents)), showIndex)
		},
	}
	request.register(cmd.Flags())
	cmd.Flags().BoolVar(&parents, "parents", false, "make the missing directories above it too")
	return cmd
}

func aclRemoveCommand(g *globals) *cobra.Command {
	var request requestFlag
	var recursive, force bool
	cmd := &cobra.Command{
		Use:   "rm PATH|PATH#TAG-UNIQUE",
		Short: "Remove a node, or an annotation of one",
		Long: `rm removes a node, with -r also all below it. With a name behind "#", as describe
shows it, it removes that annotation and leaves the node.`,
		Example: `  acquired acl rm /data/physics/old -r
  acquired acl rm '/data/physics#clause-2'`,
		Args: arguments(1, 1, "PATH or PATH#TAG-UNIQUE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			change, err := removal(args[0], recursive)
			if err != nil {
				return err
			}
			return g.changeTree(cmd, &request, &pb.ChangeRequest{Changes: []*pb.Change{change}, Force: force}, showIndex)
		},
	}
	request.register(cmd.Flags())
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "also all that is below it")
	forceFlag(cmd, &force)
	return cmd
}

func forceFlag(cmd *cobra.Command, force *bool) {
	cmd.Flags().BoolVar(force, "force", false, "even if it leaves something that nobody can administer, or removes a role that is in use; for operators")
}

// removal reads what is to be removed.
func removal(argument string, recursive bool) (*pb.Change, error) {
	p, name, ok := strings.Cut(argument, "#")
	if !ok {
		return &pb.Change{Change: &pb.Change_Remove{Remove: &pb.RemoveNode{Path: p, Recursive: recursive}}}, nil
	}
	if recursive {
		return nil, usage("-r is for nodes, and %q names an annotation", argument)
	}
	tag, unique, ok := cutAnnotationName(name)
	if !ok {
		return nil, withHint(usage("%q is not TAG-UNIQUE, such as clause-2", name), "acquired acl describe %s", p)
	}
	return unannotateChange(p, tag, unique, 0), nil
}

// annotationName is how an annotation is called on its node.
func annotationName(tag string, unique uint64) string { return tag + "-" + number(unique) }

// cutAnnotationName is the inverse of annotationName.
func cutAnnotationName(name string) (tag string, unique uint64, ok bool) {
	i := strings.LastIndexByte(name, '-')
	if i <= 0 {
		return "", 0, false
	}
	unique, err := strconv.ParseUint(name[i+1:], 10, 64)
	return name[:i], unique, err == nil && unique > 0
}

func aclMoveCommand(g *globals) *cobra.Command {
	var request requestFlag
	cmd := &cobra.Command{
		Use:     "mv PATH NAME",
		Short:   "Give a node, and so all below it, another name in its directory",
		Example: "  acquired acl mv /data/physics/lhc atlas",
		Args:    arguments(2, 2, "PATH NAME"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if strings.ContainsRune(args[1], '/') {
				return usage("NAME %q is a path: a node stays in its directory", args[1])
			}
			move := &pb.Change{Change: &pb.Change_Move{Move: &pb.MoveNode{Path: args[0], Name: args[1]}}}
			return g.changeTree(cmd, &request, changesOf(move), showIndex)
		},
	}
	request.register(cmd.Flags())
	return cmd
}
