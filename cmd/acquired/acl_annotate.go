package main

import (
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	pb "acquired/proto/acquired/v1"
)

func aclAnnotateCommand(g *globals) *cobra.Command {
	var request requestFlag
	var times timesFlag
	var unique uint64
	var version int64
	cmd := &cobra.Command{
		Use:   "annotate PATH TAG=TEXT",
		Short: "Hang a text on a path",
		Long: `annotate hangs TEXT on a path, under a tag of a-z, 0-9 and "-". A TEXT of @FILE is
the content of the file, one of "-" that of standard input.

Without --unique it is one more with its tag. With it, --version says what must
be there: 0 nothing, a version that one, -1 whatever there is.`,
		Example: `  acquired acl annotate /data/physics owner='Alice Ng'
  acquired acl annotate /data/physics data-info=@info.json --unique 1 --version -1`,
		Args: arguments(2, 2, "PATH TAG=TEXT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			tag, text, ok := strings.Cut(args[1], "=")
			if !ok || tag == "" {
				return usage("%q is not TAG=TEXT", args[1])
			}
			if version != 0 && unique == 0 {
				return usage("--version is that of an annotation which --unique names")
			}
			text, err := readText(cmd.InOrStdin(), text)
			if err != nil {
				return err
			}
			start, end, err := times.parse(time.Now())
			if err != nil {
				return err
			}
			a := &pb.Annotation{
				Tag: tag, Unique: unique, StartUnixNanos: start, EndUnixNanos: end, Content: &pb.Annotation_Text{Text: text},
			}
			return g.changeTree(cmd, &request, changesOf(annotateChange(args[0], a, version)), showAnnotated)
		},
	}
	request.register(cmd.Flags())
	cmd.Flags().Uint64Var(&unique, "unique", 0, "its number among those of its tag (default: the next free one)")
	cmd.Flags().Int64Var(&version, "version", 0, "the version that must be there; 0 is nothing, -1 whatever")
	times.register(cmd.Flags())
	return cmd
}

// readText gives the text that an argument stands for.
func readText(in io.Reader, argument string) (string, error) {
	if argument == "-" {
		content, err := readBounded(in, "standard input")
		return string(content), err
	}
	path, ok := strings.CutPrefix(argument, "@")
	if !ok {
		return argument, nil
	}
	content, err := readInput(in, path)
	return string(content), err
}

// readInput reads a file, or standard input when the name is "-".
func readInput(in io.Reader, name string) ([]byte, error) {
	if name == "-" {
		return readBounded(in, "standard input")
	}
	file, err := os.Open(name)
	if err != nil {
		return nil, &usageError{err}
	}
	defer file.Close()
	return readBounded(file, name)
}
