package acl

import (
	"fmt"

	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Change makes changes of the tree, all or none.
var Change = command.Define(&Commands, "acl.change", mayChange, change)

// Limits of a change.
const (
	// MaxChanges is how many changes a command makes.
	MaxChanges = 50_000
	// MaxSubtree is how many nodes one removal or move takes along.
	MaxSubtree = 100_000
)

// mayChange: everybody may try. What a change needs depends on what those before
// it made, so the body asks for each in turn.
func mayChange(_ kv.Reader, req *pb.ChangeRequest) ([]command.Need, error) {
	if n := len(req.Changes); n > MaxChanges || n == 0 && req.Demo == nil {
		return nil, fault.Invalid.New("%d changes: a command makes 1 to %d", n, MaxChanges)
	}
	needs := []command.Need{{Operation: command.Anyone, Path: path.Root}}
	if req.Demo != nil {
		needs = append(needs, command.Need{Operation: command.Admin, Path: path.Root})
	}
	return needs, nil
}

func change(tx *command.Tx, req *pb.ChangeRequest) (res *pb.ChangeResponse, err error) {
	force := req.Force && tx.Caller.Operator
	err = keepAdministrators(tx, force, func(lost *losses) (err error) {
		c := &changer{tx: tx, force: force, lost: lost}
		res, err = c.makeAll(req)
		return err
	})
	if err != nil {
		return nil, err
	}
	return res, nil
}

func (c *changer) makeAll(req *pb.ChangeRequest) (*pb.ChangeResponse, error) {
	res := &pb.ChangeResponse{Index: c.tx.Index, Changed: make([]*pb.Changed, len(req.Changes))}
	for i, one := range req.Changes {
		header, err := c.make(one)
		if err != nil {
			return nil, within(i, len(req.Changes), err)
		}
		res.Changed[i] = &pb.Changed{Unique: header.Unique, Version: header.Version}
	}
	if req.Demo != nil {
		identity.SetDemo(c.tx, *req.Demo)
	}
	return res, nil
}

// within says which of several changes a fault is about.
func within(i, of int, err error) error {
	f, ok := err.(*fault.Fault)
	if !ok || of == 1 {
		return err
	}
	return &fault.Fault{Kind: f.Kind, Message: fmt.Sprintf("change %d: %s", i, f.Message), Details: f.Details}
}

// changer makes the changes of one command.
type changer struct {
	tx *command.Tx
	// force is set for an operator who asks for it.
	force bool
	// lost is told of what may leave something that nobody administers.
	lost *losses
}

// caller gives the caller as it is after the changes so far: a change may take a
// role from its own maker.
func (c *changer) caller() *subject {
	s := subjectOf(c.tx, c.tx.Time, &c.tx.Caller)
	return &s
}

// make makes one change. The header is that of an annotation that was written.
func (c *changer) make(one *pb.Change) (written tree.Header, err error) {
	switch one := one.Change.(type) {
	case *pb.Change_Create:
		return written, c.create(one.Create)
	case *pb.Change_Remove:
		return written, c.remove(one.Remove)
	case *pb.Change_Move:
		return written, c.move(one.Move)
	case *pb.Change_Annotate:
		return c.annotate(one.Annotate)
	case *pb.Change_Unannotate:
		return written, c.unannotate(one.Unannotate)
	}
	return written, fault.Invalid.New("a change is to create, remove, move, annotate or unannotate")
}

// find gives the node at the path of a change, which the caller must see.
func (c *changer) find(name string) (*tree.Node, error) {
	p, err := path.Parse(name)
	if err != nil {
		return nil, err
	}
	n := tree.Find(c.tx, p)
	if n == nil || !c.caller().sees(p) {
		return nil, command.NotFound(p)
	}
	return n, nil
}
