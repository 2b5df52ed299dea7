package main

import (
	"context"
	"errors"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"acquired/client"
	"acquired/fsm/command"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// The tags of annotations that are not free text.
const (
	clauseTag = "clause"
	roleTag   = "applied-role"
	sshKeyTag = "ssh-pubkey"
)

func aclCommand(g *globals) *cobra.Command {
	return nounCommand("acl", "What names there are, and who may do what to them",
		aclMkdirCommand(g),
		aclCreateCommand(g),
		aclRemoveCommand(g),
		aclMoveCommand(g),
		aclListCommand(g),
		aclDescribeCommand(g),
		aclGrantCommand(g),
		aclRevokeCommand(g),
		aclClauseCommand(g),
		aclAnnotateCommand(g),
		aclCheckCommand(g),
		aclExplainCommand(g),
		aclCapabilitiesCommand(g),
		aclWhoCanCommand(g),
		aclWhatCanCommand(g),
		aclSimulateCommand(g),
		aclWatchCommand(g),
		aclLoadCommand(g),
		aclDumpCommand(g),
		aclTestCommand(g),
	)
}

// changeTree makes changes of the tree, all or none, and prints what show makes
// of the answer.
func (g *globals) changeTree(cmd *cobra.Command, request *requestFlag, change *pb.ChangeRequest, show func(*pb.ChangeResponse) shape) error {
	return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
		answer, err := request.changeTree(ctx, c, change)
		if err != nil {
			return nil, err
		}
		return show(answer), nil
	})
}

func (r *requestFlag) changeTree(ctx context.Context, c *client.Client, change *pb.ChangeRequest) (*pb.ChangeResponse, error) {
	answer, err := c.Acl.Change(client.WithRequestID(ctx, r.resolve()), change)
	if err != nil {
		return nil, hintVisible(hintParents(change, r.explain(err)))
	}
	return answer, nil
}

func showIndex(answer *pb.ChangeResponse) shape { return written{answer.Index} }

// annotated is the answer to a write of one annotation.
type annotated struct {
	Index uint64 `json:"index"`
	// Unique is its number among those of its tag.
	Unique  uint64 `json:"unique"`
	Version uint64 `json:"version"`
}

func (a annotated) table(w io.Writer) {
	row(w, "index", number(a.Index))
	row(w, "unique", number(a.Unique))
	row(w, "version", number(a.Version))
}

// showAnnotated is for a change whose last part is an annotation.
func showAnnotated(answer *pb.ChangeResponse) shape {
	last := &pb.Changed{}
	if n := len(answer.Changed); n > 0 {
		last = answer.Changed[n-1]
	}
	return annotated{answer.Index, last.Unique, last.Version}
}

func createChange(path string, directory, parents bool) *pb.Change {
	return &pb.Change{Change: &pb.Change_Create{
		Create: &pb.CreateNode{Path: path, Directory: directory, Parents: parents},
	}}
}

func annotateChange(path string, a *pb.Annotation, ifVersion int64) *pb.Change {
	return &pb.Change{Change: &pb.Change_Annotate{
		Annotate: &pb.Annotate{Path: path, Annotation: a, IfVersion: ifVersion},
	}}
}

func unannotateChange(path, tag string, unique uint64, ifVersion int64) *pb.Change {
	return &pb.Change{Change: &pb.Change_Unannotate{
		Unannotate: &pb.Unannotate{Path: path, Tag: tag, Unique: unique, IfVersion: ifVersion},
	}}
}

func changesOf(changes ...*pb.Change) *pb.ChangeRequest { return &pb.ChangeRequest{Changes: changes} }

// parsePath reads a path of the arguments: "am://a/b" is "/a/b".
func parsePath(s string) (string, error) {
	p, err := path.Parse(s)
	if err != nil {
		return "", &usageError{err}
	}
	return string(p), nil
}

// parseOperation gives the operation as it is spelled.
func parseOperation(s string) (string, error) {
	o, err := command.ParseOperation(s)
	if err != nil {
		return "", &usageError{err}
	}
	return o.String(), nil
}

func operationNames() []string {
	var names []string
	for _, o := range command.Operations() {
		names = append(names, o.String())
	}
	return names
}

// completeOperation is for commands whose first argument is an operation.
func completeOperation(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return operationNames(), cobra.ShellCompDirectiveNoFileComp
}

// timesFlag is from when to when something holds.
type timesFlag struct{ start, end string }

func (t *timesFlag) register(flags *pflag.FlagSet) {
	const form = "2027-01-31, 2027-01-31T15:04:05Z, or +8h from now"
	flags.StringVar(&t.start, "start", "", "when it begins to hold: "+form+" (default: at once)")
	flags.StringVar(&t.end, "end", "", "when it ceases to hold (default: never)")
}

// parse gives the times in nanoseconds since 1970; 0 is none.
func (t *timesFlag) parse(now time.Time) (start, end int64, err error) {
	if start, err = parseTime("start", t.start, now); err != nil {
		return 0, 0, err
	}
	end, err = parseTime("end", t.end, now)
	return start, end, err
}

// lastYear is the last whole one that nanoseconds since 1970 reach in 64 bits.
const lastYear = 2261

func parseTime(flag, s string, now time.Time) (int64, error) {
	if s == "" {
		return 0, nil
	}
	var at time.Time
	var err error
	if later, ok := strings.CutPrefix(s, "+"); ok {
		var d time.Duration
		d, err = time.ParseDuration(later)
		at = now.Add(d)
	} else if at, err = time.Parse(time.DateOnly, s); err != nil {
		at, err = time.Parse(time.RFC3339, s)
	}
	if err != nil || at.Unix() <= 0 || at.Year() > lastYear {
		return 0, usage("--%s %q is no time between 1970 and %d, such as 2027-01-31, 2027-01-31T15:04:05Z or +8h", flag, s, lastYear)
	}
	return at.UnixNano(), nil
}

func formatNanos(nanos int64) string {
	if nanos == 0 {
		return ""
	}
	return time.Unix(0, nanos).UTC().Format(time.RFC3339Nano)
}

// hintParents says how to make a node whose directory is missing.
func hintParents(change *pb.ChangeRequest, err error) error {
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok || f.Kind != fault.NotFound || len(change.Changes) == 0 {
		return err
	}
	create := change.Changes[0].GetCreate()
	if missing := f.Details["path"]; create == nil || create.Parents || missing == "" || !strings.HasPrefix(create.Path, missing+"/") {
		return err
	}
	return withHint(err, "--parents makes what is missing above it")
}

// hintVisible says why what is there may not be found.
func hintVisible(err error) error {
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok || f.Kind != fault.NotFound || f.Details["path"] == "" {
		return err
	}
	if f.Details["annotation"] != "" {
		return withHint(err, "acquired acl describe %s", f.Details["path"])
	}
	return withHint(err, "it does not exist, or you may not View it; acquired identity whoami")
}
