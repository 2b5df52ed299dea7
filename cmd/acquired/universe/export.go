package universe

import (
	"slices"
	"strings"

	"acquired/fsm/command"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// FromExport gives what a cluster exported. It returns fault.Denied when roles
// are redacted: the file would not be whole.
func FromExport(exported []*pb.ExportedNode) (Universe, error) {
	var u Universe
	for _, e := range exported {
		n, err := fromExported(e)
		if err != nil {
			return Universe{}, err
		}
		u.Nodes = append(u.Nodes, n)
	}
	sortNodes(u.Nodes)
	return u, nil
}

func fromExported(e *pb.ExportedNode) (n Node, err error) {
	if n.Path, err = path.Parse(e.GetNode().GetPath()); err != nil {
		return n, err
	}
	kind, ok := parseKind(e.GetNode().GetKind())
	if !ok {
		return n, fault.Invalid.New("%s: a node of the unknown kind %.40q", n.Path, e.GetNode().GetKind())
	}
	n.Kind = kind
	for _, a := range e.Annotations {
		if err := n.hang(a); err != nil {
			return n, err
		}
	}
	slices.SortFunc(n.Roles, func(a, b Role) int { return strings.Compare(string(a.Role), string(b.Role)) })
	return n, nil
}

// hang adds an exported annotation to the node.
func (n *Node) hang(a *pb.Annotation) error {
	period := Period{Start: a.StartUnixNanos, End: a.EndUnixNanos}
	switch content := a.Content.(type) {
	case *pb.Annotation_Role:
		role, err := n.roleName(content.Role)
		n.Roles = append(n.Roles, Role{Role: role, Period: period})
		return err
	case *pb.Annotation_Clause:
		o, err := command.ParseOperation(content.Clause.GetOperation())
		if err != nil {
			return err
		}
		c := Clause{Unique: a.Unique, Operation: o, Local: content.Clause.Local, EndWidens: content.Clause.EndWidens, Period: period}
		for _, exported := range content.Clause.Sets {
			var set []path.Path
			for _, name := range exported.GetRoles() {
				role, err := n.roleName(name)
				if err != nil {
					return err
				}
				set = append(set, role)
			}
			c.Sets = append(c.Sets, normalSet(set))
		}
		n.Clauses = append(n.Clauses, c)
		return nil
	}
	n.Annotations = append(n.Annotations, Annotation{Tag: a.Tag, Unique: a.Unique, Text: a.GetText(), Period: period})
	return nil
}

func (n *Node) roleName(name *pb.RoleName) (path.Path, error) {
	if name.GetRedacted() {
		return "", fault.Denied.New("a role on %s is hidden from you, so what you get would not be whole", n.Path).With("path", string(n.Path))
	}
	return path.Parse(name.GetPath())
}

func (r *Role) proto() *pb.Annotation {
	return &pb.Annotation{
		Tag: tagRole, StartUnixNanos: r.Start, EndUnixNanos: r.End,
		Content: &pb.Annotation_Role{Role: &pb.RoleName{Path: string(r.Role)}},
	}
}

func (c *Clause) proto() *pb.Annotation {
	clause := &pb.Clause{Operation: c.Operation.String(), Local: c.Local, EndWidens: c.EndWidens}
	for _, roles := range c.Sets {
		set := &pb.RoleSet{}
		for _, role := range roles {
			set.Roles = append(set.Roles, &pb.RoleName{Path: string(role)})
		}
		clause.Sets = append(clause.Sets, set)
	}
	return &pb.Annotation{
		Tag: tagClause, Unique: c.Unique, StartUnixNanos: c.Start, EndUnixNanos: c.End,
		Content: &pb.Annotation_Clause{Clause: clause},
	}
}

func (a *Annotation) proto() *pb.Annotation {
	return &pb.Annotation{
		Tag: a.Tag, Unique: a.Unique, StartUnixNanos: a.Start, EndUnixNanos: a.End,
		Content: &pb.Annotation_Text{Text: a.Text},
	}
}
