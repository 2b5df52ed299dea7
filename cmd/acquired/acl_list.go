package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// rolesRoot is above the roles.
const rolesRoot = "/role"

// listing is what is below a path.
type listing struct {
	Path  string       `json:"path"`
	Nodes []listedNode `json:"nodes"`
	// More is set when --limit cut it.
	More bool `json:"more"`

	long bool
}

type listedNode struct {
	Path string `json:"path"`
	// Kind is "directory", "leaf" or "account".
	Kind string `json:"kind"`
	// Created is the index at which it was created.
	Created uint64 `json:"created"`
}

// mark says what a node is where its name does not.
func (n listedNode) mark() string {
	switch {
	case n.Kind == "account":
		return " (account)"
	case n.Kind == "leaf" && strings.HasPrefix(n.Path, rolesRoot+"/"):
		return " (role)"
	}
	return ""
}

// label is a node in the tree, with the slash of a directory.
func (n listedNode) label(name string) string {
	if n.Kind == "directory" {
		return name + "/"
	}
	return name + n.mark()
}

func (l listing) table(w io.Writer) {
	row(w, l.Path)
	l.drawn().draw(w, "", l.long)
	rowMore(w, l.More, len(l.Nodes))
}

// branch is a part of a drawn tree.
type branch struct {
	name     string
	node     listedNode
	children []*branch
	named    map[string]*branch
}

// drawn gives the nodes as a tree. A directory that is not among them, because
// the caller may not View it, is there for what is below it.
func (l listing) drawn() *branch {
	root := &branch{name: l.Path, named: make(map[string]*branch)}
	for _, n := range l.Nodes {
		at := root
		below := strings.TrimPrefix(strings.TrimPrefix(n.Path, strings.TrimSuffix(l.Path, "/")), "/")
		for segment := range strings.SplitSeq(below, "/") {
			at = at.child(segment)
		}
		at.node = n
	}
	return root
}

// child finds the branch of the name, or adds it.
func (b *branch) child(name string) *branch {
	if c, ok := b.named[name]; ok {
		return c
	}
	c := &branch{name: name, node: listedNode{Kind: "directory"}, named: make(map[string]*branch)}
	b.named[name] = c
	b.children = append(b.children, c)
	return c
}

func (b *branch) draw(w io.Writer, indent string, long bool) {
	for i, c := range b.children {
		corner, further := "├── ", "│   "
		if i == len(b.children)-1 {
			corner, further = "└── ", "    "
		}
		line := indent + corner + c.node.label(c.name)
		if long {
			row(w, line, c.node.Kind, createdAt(c.node.Created))
		} else {
			row(w, line)
		}
		c.draw(w, indent+further, long)
	}
}

func createdAt(index uint64) string {
	if index == 0 {
		return "(not to be seen)"
	}
	return fmt.Sprintf("created at %d", index)
}

func aclListCommand(g *globals) *cobra.Command {
	var recursive, long bool
	var limit limitFlag
	cmd := &cobra.Command{
		Use:   "ls [PATH]",
		Short: "List what is below a path, by default below the root",
		Long: `ls lists what the caller may View below a path. Directories end with "/", and
accounts and roles say that they are.`,
		Example: "  acquired acl ls /user -r",
		Args:    arguments(0, 1, "at most PATH"),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := parsePath(argumentOr(args, "/"))
			if err != nil {
				return err
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				nodes, more, err := pages(&limit, func(cursor string, most uint32) ([]listedNode, string, error) {
					answer, err := c.Acl.List(ctx, &pb.ListRequest{Path: p, Recursive: recursive, Cursor: cursor, Limit: most})
					return describeList(answer), answer.GetCursor(), err
				})
				if err != nil {
					return nil, hintRead(hintVisible(err))
				}
				return listing{Path: p, Nodes: nodes, More: more, long: long}, nil
			})
		},
	}
	cmd.Flags().BoolVarP(&recursive, "recursive", "r", false, "all that is below, not only the children")
	cmd.Flags().BoolVarP(&long, "long", "l", false, "also the kind of each, and the index at which it was created")
	limit.register(cmd.Flags())
	return cmd
}

func describeList(answer *pb.ListResponse) []listedNode {
	nodes := make([]listedNode, len(answer.GetNodes()))
	for i, n := range answer.GetNodes() {
		nodes[i] = describeNode(n)
	}
	return nodes
}

func describeNode(n *pb.Node) listedNode {
	return listedNode{n.GetPath(), n.GetKind(), n.GetCreated()}
}

// argumentOr gives the only argument, or what stands for none.
func argumentOr(args []string, none string) string {
	if len(args) == 0 {
		return none
	}
	return args[0]
}
