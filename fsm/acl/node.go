package acl

import (
	"iter"
	"slices"

	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func (c *changer) create(req *pb.CreateNode) error {
	p, err := path.Parse(req.Path)
	if err != nil {
		return err
	}
	kind := tree.Leaf
	if req.Directory {
		kind = tree.Directory
	}
	if !req.Parents {
		return c.createAt(p, kind)
	}
	// What is there and the caller may not View is to be like what is not there.
	who, seen := c.caller(), p.Parent()
	for seen != path.Root && !who.sees(seen) {
		seen = seen.Parent()
	}
	for above := range p.Parent().Ancestors() {
		if above.Covers(seen) {
			continue
		}
		if err := c.createAt(above, tree.Directory); err != nil {
			return err
		}
	}
	return c.createAt(p, kind)
}

func (c *changer) createAt(p path.Path, kind tree.Kind) error {
	if err := c.caller().need(command.Write, p.Parent()); err != nil {
		return err
	}
	if err := tree.Create(c.tx, p, kind); err != nil {
		return err
	}
	c.lost.created(p)
	return nil
}

func (c *changer) remove(req *pb.RemoveNode) error {
	n, err := c.find(req.Path)
	if err != nil {
		return err
	}
	if n.Path == path.Root {
		return fault.Invalid.New("the root cannot be removed")
	}
	if err := c.caller().need(command.Write, n.Path.Parent()); err != nil {
		return err
	}
	if !tree.HasChildren(c.tx, n.Path) {
		return c.removeOne(n)
	}
	if !req.Recursive {
		return fault.Conflict.New("%s is not empty", n.Path).With("path", string(n.Path))
	}
	subtree, err := c.subtree(n)
	if err != nil {
		return err
	}
	for i := len(subtree) - 1; i >= 0; i-- { // what is below goes first
		if err := c.removeOne(subtree[i]); err != nil {
			return err
		}
	}
	return nil
}

// subtree gives the node and all below it, in order, if the caller sees all of it
// and may Write every directory.
func (c *changer) subtree(top *tree.Node) ([]*tree.Node, error) {
	who := c.caller()
	var all []*tree.Node
	for n := range tree.Subtree(c.tx, top.Path, "") {
		if len(all) == MaxSubtree {
			return nil, fault.Exhausted.New("more than %d nodes are below %s: take it in parts", MaxSubtree, top.Path)
		}
		o := command.View
		if n.Kind != tree.Leaf {
			o = command.Write
		}
		if allowed, _ := who.check(o, n.Path); !allowed {
			return nil, fault.Denied.New("something below %s may not be removed or moved by %s", top.Path, who.principal).With("path", string(top.Path))
		}
		all = append(all, n)
	}
	return all, nil
}

// removeOne removes a node that has nothing below it.
func (c *changer) removeOne(n *tree.Node) error {
	if n.Kind == tree.Account {
		return fault.Conflict.New("%s is an account of the ledger, which cannot be removed", n.Path).With("path", string(n.Path))
	}
	if err := c.checkUnused(n.Path); err != nil {
		return err
	}
	c.lost.removed(c.tx, n)
	identity.DropAll(c.tx, n.Path)
	tree.Delete(c.tx, n.Path)
	return nil
}

// checkUnused refuses to take a role away that is applied or that clauses name.
// It names the first use that the caller sees: what it does not see must not
// change the answer.
func (c *changer) checkUnused(role path.Path) error {
	if !tree.Roles.Covers(role) || c.force {
		return nil
	}
	used, who := false, c.caller()
	for at := range c.uses(role) {
		if who.sees(at) {
			return fault.Conflict.New("role %s is in use at %s", role, at).With("path", string(role)).With("used_by", string(at))
		}
		used = true
	}
	if used {
		return fault.Conflict.New("role %s is in use", role).With("path", string(role))
	}
	return nil
}

// uses gives the paths to which the role is applied, and those whose clauses name
// it, unless that has ended.
func (c *changer) uses(role path.Path) iter.Seq[path.Path] {
	return func(yield func(path.Path) bool) {
		for at := range identity.AppliedTo(c.tx, role) {
			holds := func(a identity.AppliedRole) bool { return a.Role == role && !a.Ended(c.tx.Time) }
			if slices.ContainsFunc(identity.Applied(c.tx, at), holds) && !yield(at) {
				return
			}
		}
		for at := range tree.ClausesNaming(c.tx, role) {
			named := func(of tree.Clause) bool { return !of.Ended(c.tx.Time) && names(of, role) }
			if slices.ContainsFunc(tree.Clauses(c.tx, at), named) && !yield(at) {
				return
			}
		}
	}
}

func names(clause tree.Clause, role path.Path) bool {
	return slices.ContainsFunc(clause.Sets, func(set []path.Path) bool { return slices.Contains(set, role) })
}

func (c *changer) move(req *pb.MoveNode) error {
	n, err := c.find(req.Path)
	if err != nil {
		return err
	}
	if n.Path == path.Root || n.Path.Parent() == path.Root {
		return fault.Invalid.New("%s is at the top, where names are fixed", n.Path)
	}
	to, err := path.Parse(string(n.Path.Parent()) + "/" + req.Name)
	if err != nil {
		return err
	}
	if to.Parent() != n.Path.Parent() {
		return fault.Invalid.New("%q is no name: a node moves within its parent", req.Name)
	}
	if err := c.caller().need(command.Write, n.Path.Parent()); err != nil {
		return err
	}
	if tree.Find(c.tx, to) != nil {
		return fault.Exists.New("%s exists", to).With("path", string(to))
	}
	subtree, err := c.subtree(n)
	if err != nil {
		return err
	}
	for _, moved := range subtree {
		if err := c.checkMove(moved, to+moved.Path[len(n.Path):]); err != nil {
			return err
		}
	}
	for _, moved := range subtree { // what is above goes first
		from, to := moved.Path, to+moved.Path[len(n.Path):]
		identity.Rename(c.tx, from, to)
		tree.Rename(c.tx, moved, to)
		c.lost.moved(from, to)
	}
	return nil
}

// checkMove refuses nodes that cannot have another path. It is asked before the
// first is moved: between one move and the next the tree has gaps.
func (c *changer) checkMove(n *tree.Node, to path.Path) error {
	if _, err := path.Parse(string(to)); err != nil {
		return err
	}
	if n.Kind == tree.Account {
		return fault.Conflict.New("%s is an account of the ledger, which cannot be moved", n.Path).With("path", string(n.Path))
	}
	return c.checkUnused(n.Path)
}
