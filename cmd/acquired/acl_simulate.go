package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"

	"acquired/client"
	"acquired/cmd/acquired/universe"
	pb "acquired/proto/acquired/v1"
)

// simulation is who would gain and lose what.
type simulation struct {
	Differences []accessDifference `json:"differences"`
	// More is set when --limit cut it.
	More bool `json:"more"`
}

type accessDifference struct {
	Principal string `json:"principal"`
	Operation string `json:"operation"`
	Path      string `json:"path"`
	// Gained: allowed after the changes and not before; otherwise the other way
	// round.
	Gained bool `json:"gained"`
}

func (s simulation) table(w io.Writer) {
	if len(s.Differences) == 0 {
		fmt.Fprintln(w, "nobody gains or loses anything")
		return
	}
	row(w, "PRINCIPAL", "", "OPERATION", "PATH")
	for _, d := range s.Differences {
		change := "loses"
		if d.Gained {
			change = "gains"
		}
		row(w, d.Principal, change, d.Operation, d.Path)
	}
	rowMore(w, s.More, len(s.Differences))
}

func aclSimulateCommand(g *globals) *cobra.Command {
	var flags universeFlags
	var isUniverse bool
	var limit limitFlag
	request := &pb.SimulateRequest{Change: &pb.ChangeRequest{}}
	cmd := &cobra.Command{
		Use:   "simulate FILE",
		Short: "Say who would gain and lose what by changes, and make none",
		Long: `simulate reads a list of changes, as YAML or JSON in the form of the API, and says
which principals could do more or less after them. With --universe the file is
one of acl load, and the changes are those that load would make.`,
		Example: `  acquired acl simulate changes.yaml --principals-under /user/physics
  acquired acl simulate universe.yaml --universe --merge`,
		Args: arguments(1, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			var u universe.Universe
			var err error
			if isUniverse {
				u, _, err = flags.read(cmd.InOrStdin(), args[0])
			} else {
				request.Change.Changes, err = readChanges(cmd, args[0])
			}
			if err != nil {
				return err
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				if isUniverse {
					plan, err := flags.plan(ctx, c, u)
					if err != nil {
						return nil, err
					}
					request.Change.Changes, request.Change.Force = plan.Changes, plan.Force || request.Change.Force
					if len(plan.Changes) == 0 {
						return simulation{Differences: []accessDifference{}}, nil
					}
				}
				return simulate(ctx, c, &limit, request)
			})
		},
	}
	flags.register(cmd.Flags())
	cmd.Flags().BoolVar(&isUniverse, "universe", false, "FILE is one of acl load, not a list of changes")
	cmd.Flags().StringVar(&request.PrincipalsUnder, "principals-under", "", "only principals at this path and below (default: all)")
	cmd.Flags().StringVar(&request.PathsUnder, "paths-under", "", "only paths here and below (default: all)")
	cmd.Flags().StringArrayVar(&request.Operations, "operation", nil, "only this operation; may be repeated (default: all)")
	forceFlag(cmd, &request.Change.Force)
	limit.register(cmd.Flags())
	return cmd
}

func simulate(ctx context.Context, c *client.Client, limit *limitFlag, request *pb.SimulateRequest) (shape, error) {
	differences, more, err := pages(limit, func(cursor string, most uint32) ([]accessDifference, string, error) {
		request.Cursor, request.Limit = cursor, most
		answer, err := c.Acl.Simulate(ctx, request)
		if err != nil {
			return nil, "", err
		}
		page := make([]accessDifference, len(answer.Differences))
		for i, d := range answer.Differences {
			page[i] = accessDifference{d.Principal, d.Operation, d.Path, d.Gained}
		}
		return page, answer.Cursor, nil
	})
	if err != nil {
		return nil, hintRead(hintVisible(err))
	}
	return simulation{differences, more}, nil
}

// readChanges reads a list of changes in the form of the API.
func readChanges(cmd *cobra.Command, name string) ([]*pb.Change, error) {
	content, err := readLarge(cmd.InOrStdin(), name)
	if err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(content, &document); err != nil {
		return nil, usage("%s: %w", name, describeYAML(err))
	}
	if document.Kind != yaml.DocumentNode || document.Content[0].Kind != yaml.SequenceNode {
		return nil, withHint(usage("%s is no list of changes", name), "--universe reads a file of acl load")
	}
	items := document.Content[0].Content
	changes := make([]*pb.Change, len(items))
	for i, item := range items {
		changes[i] = &pb.Change{}
		if err := decodeMessage(item, changes[i]); err != nil {
			return nil, usage("%s, line %d: %w", name, item.Line, err)
		}
	}
	if len(changes) == 0 {
		return nil, usage("%s has no changes", name)
	}
	return changes, nil
}

func decodeMessage(node *yaml.Node, change *pb.Change) error {
	value, err := plainValue(node)
	if err != nil {
		return err
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	if err := protojson.Unmarshal(encoded, change); err != nil {
		return errors.New(placeInMessage.ReplaceAllString(err.Error(), ""))
	}
	return nil
}

// placeInMessage is where in the JSON that was made of a change the error is.
var placeInMessage = regexp.MustCompile(`^proto:[\s\x{a0}]+(\(line [0-9:]+\): )?`)

// plainValue gives a node as JSON has it: what looks like a date is a text.
func plainValue(node *yaml.Node) (any, error) {
	switch node.Kind {
	case yaml.MappingNode:
		values := make(map[string]any, len(node.Content)/2)
		for i := 0; i+1 < len(node.Content); i += 2 {
			key := node.Content[i].Value
			if _, ok := values[key]; ok {
				return nil, fmt.Errorf("%s is there twice", key)
			}
			value, err := plainValue(node.Content[i+1])
			if err != nil {
				return nil, err
			}
			values[key] = value
		}
		return values, nil
	case yaml.SequenceNode:
		values := make([]any, len(node.Content))
		for i, item := range node.Content {
			value, err := plainValue(item)
			if err != nil {
				return nil, err
			}
			values[i] = value
		}
		return values, nil
	case yaml.ScalarNode:
		return plainScalar(node)
	}
	return nil, errors.New("anchors and aliases are not read")
}

func plainScalar(node *yaml.Node) (value any, err error) {
	switch node.ShortTag() {
	case "!!int", "!!float", "!!bool", "!!null":
		err = node.Decode(&value)
		return value, err
	}
	return node.Value, nil
}
