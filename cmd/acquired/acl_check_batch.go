package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"acquired/client"
	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
)

const (
	// checkWindow is how many questions are held at a time.
	checkWindow = 10_000
	// checkCalls is how many requests are under way at a time.
	checkCalls = 16
	// maxQuestionLine bounds a line of a file of questions.
	maxQuestionLine = 64 << 10
)

// normalise refuses what no node would answer, and spells the question as nodes
// do.
func (c *checked) normalise() error {
	o, err := command.ParseOperation(c.Operation)
	if err != nil {
		return err
	}
	c.Operation = o.String()
	p, err := path.Parse(c.Path)
	if err != nil {
		return err
	}
	c.Path = string(p)
	if c.Principal == "" {
		return nil
	}
	principal, err := path.Parse(c.Principal)
	c.Principal = string(principal)
	return err
}

// question is a line of a batch.
type question struct {
	line int
	checked
}

func decodeQuestion(line []byte) (checked, error) {
	var q struct {
		Principal string `json:"principal"`
		Operation string `json:"operation"`
		Path      string `json:"path"`
	}
	decoder := json.NewDecoder(bytes.NewReader(line))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&q); err != nil {
		return checked{}, err
	}
	if decoder.More() {
		return checked{}, errors.New("there is more than one value")
	}
	c := checked{Principal: q.Principal, Operation: q.Operation, Path: q.Path}
	return c, c.normalise()
}

func (g *globals) checkBatch(cmd *cobra.Command, name string) error {
	in, title := cmd.InOrStdin(), "standard input"
	if name != "-" {
		file, err := os.Open(name)
		if err != nil {
			return &usageError{err}
		}
		defer file.Close()
		in, title = file, name
	}
	c, err := g.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	b := &batchChecker{client: c, name: title, out: cmd.OutOrStdout()}
	return b.run(cmd.Context(), in)
}

// batchChecker answers question after question and holds a window of them.
type batchChecker struct {
	client *client.Client
	// name is what the questions are read from.
	name   string
	out    io.Writer
	window []question
}

// run reads the questions. What stands before a line that is none is answered.
func (b *batchChecker) run(ctx context.Context, in io.Reader) error {
	lines := bufio.NewScanner(in)
	lines.Buffer(nil, maxQuestionLine)
	line := 0
	for lines.Scan() {
		line++
		if len(bytes.TrimSpace(lines.Bytes())) == 0 {
			continue
		}
		c, err := decodeQuestion(lines.Bytes())
		if err != nil {
			return cmp.Or(b.flush(ctx), usage("%s, line %d: %w", b.name, line, err))
		}
		b.window = append(b.window, question{line, c})
		if len(b.window) < checkWindow {
			continue
		}
		if err := b.flush(ctx); err != nil {
			return err
		}
	}
	if err := lines.Err(); err != nil {
		return cmp.Or(b.flush(ctx), usage("%s, line %d: %w", b.name, line+1, err))
	}
	return b.flush(ctx)
}

// flush answers and prints the questions of the window.
func (b *batchChecker) flush(ctx context.Context) error {
	groups := make(map[string][]*question)
	var principals []string
	for i := range b.window {
		q := &b.window[i]
		if groups[q.Principal] == nil {
			principals = append(principals, q.Principal)
		}
		groups[q.Principal] = append(groups[q.Principal], q)
	}
	calls, ctx := errgroup.WithContext(ctx)
	calls.SetLimit(checkCalls)
	for _, principal := range principals {
		questions := groups[principal]
		calls.Go(func() error {
			if err := b.answer(ctx, principal, questions); err != nil {
				return fmt.Errorf("%s, line %d: %w", b.name, questions[0].line, hintRead(err))
			}
			return nil
		})
	}
	if err := calls.Wait(); err != nil {
		return err
	}
	return b.print()
}

// print prints the questions of the window, and empties it.
func (b *batchChecker) print() error {
	buffered := bufio.NewWriter(b.out)
	encoder := json.NewEncoder(buffered)
	encoder.SetEscapeHTML(false)
	for _, q := range b.window {
		if err := encoder.Encode(q.checked); err != nil {
			return err
		}
	}
	b.window = b.window[:0]
	return buffered.Flush()
}

// answer asks about one principal, in as few requests as it takes.
func (b *batchChecker) answer(ctx context.Context, principal string, questions []*question) error {
	var paths, operations []string
	at := make(map[string]int, len(questions))
	for _, q := range questions {
		if !slices.Contains(operations, q.Operation) {
			operations = append(operations, q.Operation)
		}
		if _, ok := at[q.Path]; !ok {
			at[q.Path] = len(paths)
			paths = append(paths, q.Path)
		}
	}
	var allowed []uint32
	var visible []bool
	for part := range slices.Chunk(paths, acl.MaxChecks/len(operations)) {
		answer, err := b.client.Acl.CheckMany(ctx, &pb.CheckManyRequest{Principal: principal, Paths: part, Operations: operations})
		if err != nil {
			return err
		}
		allowed, visible = append(allowed, answer.Allowed...), append(visible, answer.Visible...)
	}
	if len(allowed) != len(paths) || len(visible) != len(paths) {
		return fmt.Errorf("asked about %d paths, the answer is about %d", len(paths), len(allowed))
	}
	for _, q := range questions {
		i := at[q.Path]
		q.Allowed = allowed[i]&(1<<slices.Index(operations, q.Operation)) != 0
		q.Visible = visible[i]
	}
	return nil
}
