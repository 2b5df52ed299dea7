package acl

import (
	"cmp"
	"slices"

	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// The tags that are not of texts.
const (
	tagClause = "clause"
	tagRole   = "applied-role"
)

func (c *changer) annotate(req *pb.Annotate) (written tree.Header, err error) {
	n, a := (*tree.Node)(nil), req.GetAnnotation()
	if n, err = c.administered(req.Path); err != nil {
		return written, err
	}
	if err := checkAnnotation(a, req.IfVersion); err != nil {
		return written, err
	}
	header := tree.Header{Unique: a.Unique, Start: a.StartUnixNanos, End: a.EndUnixNanos}
	switch content := a.Content.(type) {
	case *pb.Annotation_Clause:
		written, err = c.putClause(n.Path, header, content.Clause, req.IfVersion)
	case *pb.Annotation_Role:
		written, err = c.applyRole(n.Path, header, content.Role, req.IfVersion)
	default:
		written, err = tree.PutText(c.tx, n.Path, tree.Text{Header: header, Tag: a.Tag, Text: a.GetText()}, req.IfVersion)
	}
	if err != nil {
		return written, about(n.Path, a.Tag, a.Unique, err)
	}
	tree.NoteAnnotation(c.tx, tree.Annotated, n.Path, a.Tag, written.Unique)
	return written, nil
}

// administered gives the node at the path, which the caller must Admin.
func (c *changer) administered(name string) (*tree.Node, error) {
	n, err := c.find(name)
	if err != nil {
		return nil, err
	}
	return n, c.caller().need(command.Admin, n.Path)
}

// checkAnnotation refuses an annotation whose tag and content do not go together.
func checkAnnotation(a *pb.Annotation, ifVersion int64) error {
	if a == nil {
		return fault.Invalid.New("there is no annotation to write")
	}
	if err := tree.CheckTag(a.Tag); err != nil {
		return err
	}
	if ifVersion < tree.AnyVersion {
		return fault.Invalid.New("version %d: what must be there is 0 for nothing, a version, or -1 for whatever there is", ifVersion)
	}
	clause, role := a.GetClause() != nil, a.GetRole() != nil
	if clause != (a.Tag == tagClause) || role != (a.Tag == tagRole) {
		return fault.Invalid.New("an annotation with tag %q holds a clause, one with %q a role, and any other a text", tagClause, tagRole)
	}
	return tree.CheckTimes(a.StartUnixNanos, a.EndUnixNanos)
}

// about says which annotation a fault is about.
func about(p path.Path, tag string, unique uint64, err error) error {
	f, ok := err.(*fault.Fault)
	if !ok || unique == 0 {
		return err
	}
	said := (&fault.Fault{Kind: f.Kind, Message: f.Message, Details: f.Details}).With("annotation", tag)
	if _, ok := f.Details["path"]; ok {
		return said // it is about a role
	}
	return said.With("path", string(p))
}

func (c *changer) putClause(p path.Path, header tree.Header, in *pb.Clause, ifVersion int64) (tree.Header, error) {
	clause, err := parseClause(in)
	if err != nil {
		return header, err
	}
	clause.Header = header
	if err := eachRole(clause.Sets, func(role path.Path) error { return c.mayName(command.UseRole, role) }); err != nil {
		return header, err
	}
	if before, ok := c.findClause(p, header.Unique); ok {
		if err := c.mayAlterClause(before); err != nil {
			return header, err
		}
		c.lost.rewritten(c.tx.Time, p, &before, &clause)
	} else {
		c.lost.clause(p, clause.Operation)
	}
	return tree.PutClause(c.tx, p, clause, ifVersion)
}

// findClause gives a clause on the path that has not ended.
func (c *changer) findClause(p path.Path, unique uint64) (tree.Clause, bool) {
	for _, clause := range tree.Clauses(c.tx, p) {
		if clause.Unique == unique {
			return clause, !clause.Ended(c.tx.Time)
		}
	}
	return tree.Clause{}, false
}

func parseClause(in *pb.Clause) (tree.Clause, error) {
	o, err := command.ParseOperation(in.Operation)
	if err != nil {
		return tree.Clause{}, err
	}
	// Before each role is looked at, and again where a clause is written.
	if err := tree.CheckSets(len(in.Sets), func(i int) int { return len(in.Sets[i].GetRoles()) }); err != nil {
		return tree.Clause{}, err
	}
	clause := tree.Clause{Operation: o, Local: in.Local, EndWidens: in.EndWidens, Sets: make([][]path.Path, len(in.Sets))}
	for i, set := range in.Sets {
		names := make([]path.Path, len(set.GetRoles()))
		for j, name := range set.GetRoles() {
			if names[j], err = parseRole(name); err != nil {
				return tree.Clause{}, err
			}
		}
		slices.Sort(names)
		clause.Sets[i] = slices.Compact(names)
	}
	return clause, nil
}

func parseRole(name *pb.RoleName) (path.Path, error) {
	if name.GetRedacted() || name.GetDangling() {
		return "", fault.Invalid.New("a role is written with its path alone")
	}
	p, err := path.Parse(name.GetPath())
	if err != nil {
		return "", err
	}
	if !tree.Roles.Covers(p) || p == tree.Roles {
		return "", fault.Invalid.New("a role is a path below %s, not %s", tree.Roles, p)
	}
	return p, nil
}

// eachRole calls may for each role of the sets until one is refused.
func eachRole(sets [][]path.Path, may func(role path.Path) error) error {
	for _, set := range sets {
		for _, role := range set {
			if err := may(role); err != nil {
				return err
			}
		}
	}
	return nil
}

// mayAlterClause refuses for a role that the caller sees, if there is one, before
// it does for one that is hidden: their order would tell how that one is called.
func (c *changer) mayAlterClause(there tree.Clause) error {
	var hidden error
	err := eachRole(there.Sets, func(role path.Path) error {
		err := c.mayAlter(command.UseRole, role)
		if err != nil && !c.caller().meets(command.View, role) {
			hidden, err = err, nil
		}
		return err
	})
	return cmp.Or(err, hidden)
}

// mayName refuses to write a role that does not exist, or with which the caller
// may not do the operation.
func (c *changer) mayName(o command.Operation, role path.Path) error {
	who, n := c.caller(), tree.Find(c.tx, role)
	switch {
	case n == nil && c.force:
		return nil
	case n != nil && n.Kind != tree.Leaf && who.sees(role):
		return fault.Invalid.New("%s is a directory of roles, not a role", role)
	}
	return who.need(o, role)
}

// mayAlter refuses to change or remove what names a role with which the caller
// may not do the operation. The role need not exist any more. It is not named to
// who may not View it.
func (c *changer) mayAlter(o command.Operation, role path.Path) error {
	switch who := c.caller(); {
	case who.meets(o, role):
		return nil
	case who.meets(command.View, role):
		return who.denied(o, role)
	default:
		return fault.Denied.New("%s may not %s a role there, which is hidden from it", who.principal, o).With("operation", o.String())
	}
}

func (c *changer) applyRole(p path.Path, header tree.Header, name *pb.RoleName, ifVersion int64) (tree.Header, error) {
	role, err := parseRole(name)
	if err != nil {
		return header, err
	}
	if err := c.mayName(command.ApplyRole, role); err != nil {
		return header, err
	}
	for _, before := range identity.Applied(c.tx, p) {
		if before.Unique == header.Unique {
			c.lost.role(c.tx, p) // its times may change
		}
	}
	return identity.Apply(c.tx, p, identity.AppliedRole{Header: header, Role: role}, ifVersion)
}

func (c *changer) unannotate(req *pb.Unannotate) error {
	n, err := c.administered(req.Path)
	if err != nil {
		return err
	}
	if req.IfVersion < tree.AnyVersion {
		return fault.Invalid.New("version %d: what must be there is a version, or 0 for whatever there is", req.IfVersion)
	}
	if err := c.takeOff(n.Path, req); err != nil {
		return about(n.Path, req.Tag, req.Unique, err)
	}
	tree.NoteAnnotation(c.tx, tree.Unannotated, n.Path, req.Tag, req.Unique)
	return nil
}

func (c *changer) takeOff(p path.Path, req *pb.Unannotate) error {
	switch req.Tag {
	case tagClause:
		clause, ok := c.findClause(p, req.Unique)
		if !ok {
			return fault.NotFound.New("no clause %d on %s", req.Unique, p)
		}
		if err := c.mayAlterClause(clause); err != nil {
			return err
		}
		c.lost.clause(p, clause.Operation)
		return tree.RemoveClause(c.tx, p, req.Unique, req.IfVersion)
	case tagRole:
		for _, role := range identity.Applied(c.tx, p) {
			if role.Unique != req.Unique || role.Ended(c.tx.Time) {
				continue
			}
			if err := c.mayAlter(command.ApplyRole, role.Role); err != nil {
				return err
			}
			c.lost.role(c.tx, p)
			return identity.Drop(c.tx, p, req.Unique, req.IfVersion)
		}
		return fault.NotFound.New("no applied role %d on %s", req.Unique, p)
	}
	return tree.RemoveText(c.tx, p, req.Tag, req.Unique, req.IfVersion)
}
