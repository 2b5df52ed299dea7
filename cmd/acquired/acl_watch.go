package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// watchPause is between two attempts to go on watching.
const watchPause = 200 * time.Millisecond

// treeEvent is a change of the tree.
type treeEvent struct {
	Index uint64 `json:"index"`
	Time  string `json:"time"`
	// What is "created", "removed", "moved", "annotated" or "unannotated".
	What string `json:"what"`
	Path string `json:"path"`
	// From is what a moved node was called before.
	From string `json:"from,omitempty"`
	// Tag and Unique are of the annotation.
	Tag    string `json:"tag,omitempty"`
	Unique uint64 `json:"unique,omitempty"`
}

func (e treeEvent) String() string {
	line := fmt.Sprintf("%d  %s  %s  %s", e.Index, e.Time, e.What, e.Path)
	if e.Tag != "" {
		line += "#" + annotationName(e.Tag, e.Unique)
	}
	if e.From != "" {
		line += "  from " + e.From
	}
	return line
}

func aclWatchCommand(g *globals) *cobra.Command {
	request := &pb.WatchRequest{}
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Print the changes of the tree as they are made",
		Long: `watch prints a line for each change, without a gap, from now on or from behind the
index that --after names. When the node that tells it goes away it goes on at
another. It ends when it is interrupted, with status 0.

With -o json each line is an object, with -o yaml a document.`,
		Example: "  acquired acl watch --under /data",
		Args:    arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx := cmd.Context()
			c, err := g.connect(ctx)
			if err != nil {
				return err
			}
			defer c.Close()
			if !cmd.Flags().Changed("after") {
				if request.After, err = newestIndex(ctx, c); err != nil {
					return err
				}
			}
			w := &watcher{client: c, request: request, patience: g.timeout, print: func(e treeEvent) error {
				return g.output.showEvent(cmd.OutOrStdout(), e)
			}}
			err = w.run(ctx)
			if ctx.Err() != nil {
				return nil
			}
			return err
		},
	}
	cmd.Flags().Uint64Var(&request.After, "after", 0, "changes behind this index; 0 is all that are kept (default: from now on)")
	cmd.Flags().StringVar(&request.Under, "under", "", "only changes at this path and below (default: all)")
	return cmd
}

// newestIndex gives an index that the log has reached.
func newestIndex(ctx context.Context, c *client.Client) (uint64, error) {
	if _, err := c.Identity.Whoami(client.WithRead(ctx, client.Latest), &pb.WhoamiRequest{}); err != nil {
		return 0, err
	}
	return c.Index(), nil
}

// watcher follows the changes of the tree, from one node or another.
type watcher struct {
	client *client.Client
	// request is moved on with what was received.
	request *pb.WatchRequest
	// patience is how long to go on trying without hearing anything.
	patience time.Duration
	print    func(treeEvent) error
}

// run returns when ctx ends, when it is refused, or when nobody answers.
func (w *watcher) run(ctx context.Context) error {
	heard := time.Now()
	for {
		received, err := w.follow(ctx)
		if received {
			heard = time.Now()
		}
		if !errors.Is(err, fault.Unavailable) || ctx.Err() != nil {
			return err
		}
		if time.Since(heard) > w.patience {
			return withHint(err, "go on with acquired acl watch --after %d", w.request.After)
		}
		select {
		case <-time.After(watchPause):
		case <-ctx.Done():
		}
	}
}

// follow prints what one stream brings. The error is never nil.
func (w *watcher) follow(ctx context.Context) (received bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	stream, err := w.client.Acl.Watch(ctx, w.request)
	if err != nil {
		return false, err
	}
	for {
		answer, err := stream.Recv()
		if err == io.EOF {
			err = fault.Unavailable.New("the node ended the stream")
		}
		if err != nil {
			return received, err
		}
		received = true
		for _, e := range answer.Events {
			if err := w.print(describeEvent(e)); err != nil {
				return received, err
			}
		}
		w.request.After = max(w.request.After, answer.Index)
	}
}

func describeEvent(e *pb.Event) treeEvent {
	return treeEvent{
		Index: e.Index, Time: formatNanos(e.UnixNanos), What: e.What,
		Path: e.Path, From: e.From, Tag: e.Tag, Unique: e.Unique,
	}
}

// showEvent prints one of a sequence without an end.
func (f format) showEvent(w io.Writer, e treeEvent) error {
	switch f {
	case formatJSON:
		encoder := json.NewEncoder(w)
		encoder.SetEscapeHTML(false)
		return encoder.Encode(e)
	case formatYAML:
		var document strings.Builder
		document.WriteString("---\n")
		if err := writeYAML(&document, e); err != nil {
			return err
		}
		_, err := io.WriteString(w, document.String())
		return err
	}
	_, err := fmt.Fprintln(w, e)
	return err
}
