package main

import (
	"context"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// clauseFlags say what a clause is.
type clauseFlags struct {
	operation        string
	to               []string
	everyone, nobody bool
	local, endWidens bool
	times            timesFlag
	// unique is that of the clause to replace, remove of the one to remove; 0 is
	// none.
	unique, remove uint64
}

// annotation gives the clause to write.
func (f *clauseFlags) annotation(now time.Time) (*pb.Annotation, error) {
	if f.operation == "" {
		return nil, usage("--op is missing: a clause restricts one operation, or --remove takes one away")
	}
	operation, err := parseOperation(f.operation)
	if err != nil {
		return nil, err
	}
	sets, err := f.sets()
	if err != nil {
		return nil, err
	}
	start, end, err := f.times.parse(now)
	if err != nil {
		return nil, err
	}
	if end != 0 && !f.endWidens {
		return nil, usage("a clause with --end needs --end-widens: once it ends, more may be allowed")
	}
	return &pb.Annotation{
		Tag: clauseTag, Unique: f.unique, StartUnixNanos: start, EndUnixNanos: end,
		Content: &pb.Annotation_Clause{Clause: &pb.Clause{Operation: operation, Local: f.local, Sets: sets, EndWidens: f.endWidens}},
	}, nil
}

// sets gives the role sets: each --to is one.
func (f *clauseFlags) sets() ([]*pb.RoleSet, error) {
	given := 0
	for _, is := range []bool{len(f.to) > 0, f.everyone, f.nobody} {
		if is {
			given++
		}
	}
	switch {
	case given != 1:
		return nil, usage("say who meets the clause, in one way: --to ROLE, --everyone or --nobody")
	case f.everyone:
		return nil, nil
	case f.nobody:
		return []*pb.RoleSet{{}}, nil
	}
	sets := make([]*pb.RoleSet, len(f.to))
	for i, roles := range f.to {
		sets[i] = &pb.RoleSet{}
		for name := range strings.SplitSeq(roles, ",") {
			p, err := parsePath(strings.TrimSpace(name))
			if err != nil {
				return nil, err
			}
			sets[i].Roles = append(sets[i].Roles, &pb.RoleName{Path: p})
		}
	}
	return sets, nil
}

func aclClauseCommand(g *globals) *cobra.Command {
	var request requestFlag
	var flags clauseFlags
	var force bool
	cmd := &cobra.Command{
		Use:   "clause PATH --op OPERATION --to ROLE[,ROLE...]",
		Short: "Restrict an operation on a path to those who hold roles",
		Long: `clause hangs a clause on a path. It is met by who holds one role of each --to, and
it binds all below too, unless it is --local. All clauses for an operation on the
way from the root must be met, and there must be one.

A clause that ends needs --end-widens: when it does, more may be allowed.
With --unique it replaces the clause of that number, with --remove it removes it.`,
		Example: `  acquired acl clause /data/physics --op Read --to /role/physics/member,/role/auditor
  acquired acl clause /data/physics --op Write --to /role/physics/member --to /role/trained
  acquired acl clause / --op View --everyone --local
  acquired acl clause /data/physics --remove 2`,
		Args: arguments(1, 1, "PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if cmd.Flags().Changed("remove") {
				return g.removeClause(cmd, &request, args[0], &flags, force)
			}
			written, err := flags.annotation(time.Now())
			if err != nil {
				return hintHelp(cmd, err)
			}
			return g.putClause(cmd, &request, args[0], written, force)
		},
	}
	request.register(cmd.Flags())
	choices := operationNames()
	cmd.Flags().StringVar(&flags.operation, "op", "", "the operation: "+strings.Join(choices, ", "))
	_ = cmd.RegisterFlagCompletionFunc("op", func(*cobra.Command, []string, string) ([]string, cobra.ShellCompDirective) {
		return choices, cobra.ShellCompDirectiveNoFileComp
	})
	cmd.Flags().StringArrayVar(&flags.to, "to", nil, "roles of which one is needed; may be repeated, then one of each is")
	cmd.Flags().BoolVar(&flags.everyone, "everyone", false, "it is met by everyone")
	cmd.Flags().BoolVar(&flags.nobody, "nobody", false, "it is met by nobody")
	cmd.Flags().BoolVar(&flags.local, "local", false, "it binds the path alone, not what is below")
	cmd.Flags().BoolVar(&flags.endWidens, "end-widens", false, "it is meant that more may be allowed once it ends")
	cmd.Flags().Uint64Var(&flags.unique, "unique", 0, "replace the clause of this number")
	cmd.Flags().Uint64Var(&flags.remove, "remove", 0, "remove the clause of this number")
	flags.times.register(cmd.Flags())
	forceFlag(cmd, &force)
	return cmd
}

func (g *globals) removeClause(cmd *cobra.Command, request *requestFlag, path string, flags *clauseFlags, force bool) error {
	for _, name := range []string{"op", "to", "everyone", "nobody", "local", "end-widens", "unique", "start", "end"} {
		if cmd.Flags().Changed(name) {
			return usage("--remove and --%s do not go together", name)
		}
	}
	change := changesOf(unannotateChange(path, clauseTag, flags.remove, 0))
	change.Force = force
	return g.changeTree(cmd, request, change, showIndex)
}

// putClause writes the clause. One that is replaced must still be what it was
// when it was looked at.
func (g *globals) putClause(cmd *cobra.Command, request *requestFlag, path string, written *pb.Annotation, force bool) error {
	return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
		ifVersion := int64(0)
		if written.Unique != 0 {
			answer, err := c.Acl.Describe(ctx, &pb.DescribeRequest{Path: path})
			if err != nil {
				return nil, hintVisible(err)
			}
			ifVersion = versionOf(answer.Annotations, clauseTag, written.Unique)
		}
		change := changesOf(annotateChange(path, written, ifVersion))
		change.Force = force
		answer, err := request.changeTree(ctx, c, change)
		if err != nil {
			return nil, err
		}
		return showAnnotated(answer), nil
	})
}

// versionOf gives the version of an annotation; 0 when there is none.
func versionOf(all []*pb.Annotation, tag string, unique uint64) int64 {
	for _, a := range all {
		if a.Tag == tag && a.Unique == unique {
			return int64(a.Version)
		}
	}
	return 0
}
