package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strings"

	"github.com/spf13/cobra"
	"go.yaml.in/yaml/v3"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/proto"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// maxSteps is how many steps one op may have.
const maxSteps = 1000

// opDone is what became of an op.
type opDone struct {
	// Index is where it took effect, at first if it stood in the books already.
	Index uint64 `json:"index"`
	// Results has one for each step.
	Results []stepDone `json:"results"`
}

func (o opDone) table(w io.Writer) {
	row(w, "INDEX", "STEP", "ID", "AMOUNT", "EXISTING", "HASH")
	for _, r := range o.Results {
		row(w, number(r.Index), r.Step, orDash(r.ID), orDash(r.Amount), yesNo(r.Existing), orDash(r.Hash))
	}
}

func ledgerOpCommand(g *globals) *cobra.Command {
	var request requestFlag
	cmd := &cobra.Command{
		Use:   "op FILE",
		Short: "Make a list of steps, all or none",
		Long: `op reads steps, makes them in their order, all or none, and prints what became of
each. FILE is a YAML list of steps, or has one step a line as JSON; "-" is standard
input. A step has the names that it has in the API:

  - guard: {balance: {account: /account/a, at_least: 100.00}}
  - hold: {id: h1, debit: /account/a, credit: /account/b, amount: 10.00, lifetime_seconds: 3600}
  - transfer: {id: t1, debit: /account/a, credit: /account/c, amount: 0.50}

Each step but a guard has an id: the same op sent again is not made again.`,
		Example: "  acquired ledger op steps.yaml",
		Args:    arguments(1, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			steps, err := readSteps(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				index, done, err := request.op(ctx, c, true, steps...)
				return opDone{index, done}, err
			})
		},
	}
	request.register(cmd.Flags())
	return cmd
}

// readSteps reads a list of steps, as YAML or as lines of JSON.
func readSteps(in io.Reader, name string) ([]*pb.Step, error) {
	content, err := readLarge(in, name)
	if err != nil {
		return nil, err
	}
	if name == "-" {
		name = "standard input"
	}
	read := stepsOfYAML
	if bytes.HasPrefix(bytes.TrimSpace(content), []byte("{")) {
		read = stepsOfLines
	}
	steps, err := read(content, name)
	switch {
	case err != nil:
		return nil, err
	case len(steps) == 0:
		return nil, usage("%s has no steps", name)
	case len(steps) > maxSteps:
		return nil, usage("%s has %d steps, at most %d are allowed", name, len(steps), maxSteps)
	}
	return steps, nil
}

func stepsOfLines(content []byte, name string) (steps []*pb.Step, err error) {
	lines := bufio.NewScanner(bytes.NewReader(content))
	lines.Buffer(nil, len(content)+1)
	for line := 1; lines.Scan(); line++ {
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		step := &pb.Step{}
		if err = decodeJSON(lines.Bytes(), step); err == nil {
			err = checkStep(step)
		}
		if err != nil {
			return nil, usage("%s, line %d: %w", name, line, err)
		}
		steps = append(steps, step)
	}
	return steps, lines.Err()
}

func stepsOfYAML(content []byte, name string) ([]*pb.Step, error) {
	list, err := oneDocument(content)
	if err != nil {
		return nil, usage("%s: %w", name, err)
	}
	if list == nil {
		return nil, nil
	}
	if list.Kind != yaml.SequenceNode {
		return nil, usage("%s is neither a YAML list of steps nor lines of JSON", name)
	}
	steps := make([]*pb.Step, len(list.Content))
	for i, item := range list.Content {
		steps[i] = &pb.Step{}
		if err := decodeYAML(item, steps[i]); err != nil {
			return nil, usage("%s, line %d: %w", name, item.Line, err)
		}
		if err := checkStep(steps[i]); err != nil {
			return nil, usage("%s, line %d: %w", name, item.Line, err)
		}
	}
	return steps, nil
}

// oneDocument gives what a YAML file has; nil is nothing. It refuses a second
// document, which would else be left out without a word.
func oneDocument(content []byte) (*yaml.Node, error) {
	var document, more yaml.Node
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	switch err := decoder.Decode(&document); {
	case errors.Is(err, io.EOF):
		return nil, nil
	case err != nil:
		return nil, describeYAML(err)
	}
	switch err := decoder.Decode(&more); {
	case err == nil:
		return nil, fmt.Errorf("line %d: a second YAML document begins: an op is one list", more.Line)
	case !errors.Is(err, io.EOF):
		return nil, describeYAML(err)
	}
	return document.Content[0], nil
}

func decodeYAML(node *yaml.Node, message proto.Message) error {
	asWritten(node)
	value, err := plainValue(node)
	if err != nil {
		return err
	}
	encoded, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return decodeJSON(encoded, message)
}

// asWritten makes texts of the numbers of a node. An amount keeps its digits so,
// and what is a number in the API may be given as a text.
func asWritten(node *yaml.Node) {
	switch node.ShortTag() {
	case "!!int", "!!float":
		node.Tag = "!!str"
	}
	for _, child := range node.Content {
		asWritten(child)
	}
}

func decodeJSON(encoded []byte, message proto.Message) error {
	if err := protojson.Unmarshal(encoded, message); err != nil {
		message := placeInMessage.ReplaceAllString(err.Error(), "")
		return errors.New(fieldInMessage.ReplaceAllStringFunc(message, asInAPI))
	}
	return nil
}

// fieldInMessage is a field that has a wrong value, by the name that it has in
// JSON.
var fieldInMessage = regexp.MustCompile(`^invalid value for \S+ field [a-zA-Z]+`)

// asInAPI makes a name of the API, and of the documents, of one of JSON: "up_to" of
// "upTo".
func asInAPI(name string) string {
	return capital.ReplaceAllStringFunc(name, func(letter string) string { return "_" + strings.ToLower(letter) })
}

var capital = regexp.MustCompile(`[A-Z]`)

// checkStep refuses a step that would be made again when its file is sent again.
func checkStep(step *pb.Step) error {
	name, id := nameStep(step)
	switch {
	case name == "":
		return errors.New("it is no step: a step is one of " + strings.Join(stepNames(), ", "))
	case id == "" && step.GetGuard() == nil:
		return errors.New("id is missing: without one, an op that is sent again would be made again")
	}
	return nil
}

// stepNames gives what steps are called in the API.
func stepNames() (names []string) {
	fields := (&pb.Step{}).ProtoReflect().Descriptor().Fields()
	for i := range fields.Len() {
		names = append(names, string(fields.Get(i).Name()))
	}
	return names
}
