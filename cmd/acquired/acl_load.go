package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"acquired/client"
	"acquired/cmd/acquired/universe"
	"acquired/fsm/acl"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// universeFlags say what a file is and what it is to what is there.
type universeFlags struct {
	format         string
	merge, replace bool
}

// The forms of a file.
const (
	ownUniverse = "acquired"
	oldUniverse = "access-manager"
)

func (f *universeFlags) register(flags *pflag.FlagSet) {
	f.registerFormat(flags)
	flags.BoolVar(&f.merge, "merge", false, "add what is missing to what is there (default: nothing of the file may be there)")
	flags.BoolVar(&f.replace, "replace", false, "make the nodes of the file, and all below them, what the file says; what it does not have goes")
}

func (f *universeFlags) registerFormat(flags *pflag.FlagSet) {
	f.format = ownUniverse
	flags.Var(&choice[string]{&f.format, []string{ownUniverse, oldUniverse}}, "format", "form of the file of a universe: acquired, or access-manager")
}

func (f *universeFlags) mode() (universe.Mode, error) {
	switch {
	case f.merge && f.replace:
		return 0, usage("--merge and --replace do not go together")
	case f.merge:
		return universe.Merge, nil
	case f.replace:
		return universe.Replace, nil
	}
	return universe.Add, nil
}

// read reads the file of a universe; "-" is standard input.
func (f *universeFlags) read(in io.Reader, name string) (universe.Universe, []universe.Note, error) {
	content, err := readLarge(in, name)
	if err != nil {
		return universe.Universe{}, nil, err
	}
	var u universe.Universe
	var notes []universe.Note
	if f.format == oldUniverse {
		if u, notes, err = universe.ParseAccessManager(content); err != nil {
			err = fmt.Errorf("%s: %w", name, err)
		}
	} else {
		u, err = universe.Parse(content, name)
	}
	if err != nil {
		return universe.Universe{}, nil, &usageError{err}
	}
	return u, notes, nil
}

// readLarge reads a file of the size that a universe may have.
func readLarge(in io.Reader, name string) ([]byte, error) {
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return nil, &usageError{err}
		}
		defer file.Close()
		in = file
	}
	content, err := io.ReadAll(io.LimitReader(in, universe.MaxSize+1))
	if err != nil {
		return nil, usage("read %s: %w", name, err)
	}
	if len(content) > universe.MaxSize {
		return nil, usage("%s is longer than %d bytes", name, universe.MaxSize)
	}
	return content, nil
}

// plan says what makes the cluster hold the universe.
func (f *universeFlags) plan(ctx context.Context, c *client.Client, u universe.Universe) (universe.Plan, error) {
	mode, err := f.mode()
	if err != nil {
		return universe.Plan{}, err
	}
	existing, err := exportAll(ctx, c, "/")
	if err != nil {
		return universe.Plan{}, err
	}
	plan, err := u.Plan(existing, mode)
	if errors.Is(err, fault.Exists) {
		err = withHint(err, "--merge adds what is missing, --replace makes it what the file says; --dry-run shows the difference")
	}
	return plan, err
}

// exportAll gives the nodes at the path and below.
func exportAll(ctx context.Context, c *client.Client, path string) ([]*pb.ExportedNode, error) {
	nodes, _, err := pages(&limitFlag{}, func(cursor string, most uint32) ([]*pb.ExportedNode, string, error) {
		answer, err := c.Acl.Export(ctx, &pb.ExportRequest{Path: path, Cursor: cursor, Limit: most})
		return answer.GetNodes(), answer.GetCursor(), err
	})
	return nodes, err
}

// loaded is what became of a universe.
type loaded struct {
	// Index is 0 when nothing was changed.
	Index   uint64   `json:"index"`
	DryRun  bool     `json:"dry_run"`
	Changes int      `json:"changes"`
	Notes   []string `json:"notes"`
	// Differences are given in a dry run.
	Differences []universeDifference `json:"differences,omitempty"`
}

// universeDifference is what is added to the tree or removed.
type universeDifference struct {
	Added bool   `json:"added"`
	Path  string `json:"path"`
	// What is the annotation; empty for the node itself.
	What string `json:"what"`
}

func describePlan(plan universe.Plan, notes []universe.Note, dryRun bool) loaded {
	l := loaded{DryRun: dryRun, Changes: len(plan.Changes), Notes: []string{}}
	for _, note := range append(notes, plan.Notes...) {
		l.Notes = append(l.Notes, note.String())
	}
	if dryRun {
		for _, d := range plan.Differences {
			l.Differences = append(l.Differences, universeDifference{d.Added, string(d.Path), d.What})
		}
	}
	return l
}

func (l loaded) table(w io.Writer) {
	for _, d := range l.Differences {
		fmt.Fprintln(w, universe.Difference{Added: d.Added, Path: path.Path(d.Path), What: oneLine(d.What)})
	}
	for _, note := range l.Notes {
		fmt.Fprintf(w, "note: %s\n", printable(note))
	}
	switch {
	case l.DryRun:
		fmt.Fprintf(w, "%d changes would be made\n", l.Changes)
	case l.Index == 0:
		fmt.Fprintln(w, "nothing to change")
	default:
		fmt.Fprintf(w, "%d changes made at index %d\n", l.Changes, l.Index)
	}
}

func aclLoadCommand(g *globals) *cobra.Command {
	var request requestFlag
	var flags universeFlags
	var dryRun, demo, force bool
	cmd := &cobra.Command{
		Use:   "load FILE",
		Short: "Make the tree hold what a file says",
		Long: `load makes the nodes, roles, clauses and annotations of a file, all or none. Without
--merge or --replace none of the nodes may be there.

With --demo, principals without any proof of their own may call by their name
alone from then on (--as): for demonstrations. --demo=false ends that.`,
		Example: `  acquired acl load universe.yaml --dry-run
  acquired acl load universe.yaml --merge
  acquired acl load old.json --format access-manager --demo --force`,
		Args: arguments(1, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			u, notes, err := flags.read(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				plan, err := flags.plan(ctx, c, u)
				if err != nil {
					return nil, err
				}
				done := describePlan(plan, notes, dryRun)
				if dryRun || len(plan.Changes) == 0 && !cmd.Flags().Changed("demo") {
					return done, nil
				}
				if err := checkPlan(plan, force); err != nil {
					return nil, err
				}
				change := &pb.ChangeRequest{Changes: plan.Changes, Force: force}
				if cmd.Flags().Changed("demo") {
					change.Demo = &demo
				}
				answer, err := request.changeTree(ctx, c, change)
				if err != nil {
					return nil, err
				}
				done.Index = answer.Index
				return done, nil
			})
		},
	}
	request.register(cmd.Flags())
	flags.register(cmd.Flags())
	cmd.Flags().BoolVar(&dryRun, "dry-run", false, "change nothing, and print what would be changed")
	cmd.Flags().BoolVar(&demo, "demo", false, "let principals without a proof of their own call by their name alone; needs Admin on /")
	forceFlag(cmd, &force)
	return cmd
}

// checkPlan refuses what the cluster would not take.
func checkPlan(plan universe.Plan, force bool) error {
	if len(plan.Changes) > acl.MaxChanges {
		return usage("the file needs %d changes, and at most %d are made at once: load it in parts, with --merge", len(plan.Changes), acl.MaxChanges)
	}
	if plan.Force && !force {
		return withHint(fault.Conflict.New("the file names roles that do not exist"), "--dry-run says which; operators may load it with --force")
	}
	return nil
}

func aclDumpCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "dump [PATH]",
		Short: "Print the tree at and below a path as a file that load reads",
		Long: `dump prints the nodes that you may View, by default all, as YAML, or with -o json as
JSON. It refuses when a role is hidden from you: the file would not be whole.`,
		Example: "  acquired acl dump /data > data.yaml",
		Args:    arguments(0, 1, "at most PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := g.connect(cmd.Context())
			if err != nil {
				return err
			}
			defer c.Close()
			nodes, err := exportAll(cmd.Context(), c, argumentOr(args, "/"))
			if err != nil {
				return hintRead(hintVisible(err))
			}
			u, err := universe.FromExport(nodes)
			if err != nil {
				return err
			}
			content := []byte(nil)
			if g.output == formatJSON {
				content = u.EncodeJSON()
			} else if content, err = u.EncodeYAML(); err != nil {
				return err
			}
			_, err = cmd.OutOrStdout().Write(content)
			return err
		},
	}
}
