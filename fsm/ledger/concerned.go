package ledger

import (
	"slices"

	"acquired/fsm/command"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
)

// concerned says whether the caller has to do with what a step names. Who has not is
// told of an id that it was used, and nothing of what for.
func (o *operation) concerned(s *pb.Step) bool {
	if o.tx.Caller.Operator {
		return true
	}
	kind, body := kindOf(s)
	return kind.concerns(o, body)
}

// related says what the caller has to do with.
func (o *operation) related() *related {
	if o.relation == nil {
		o.relation = relatedTo(o.tx, &o.tx.Caller, o.tx.Time)
	}
	return o.relation
}

// maySpendNear is maySpend; of an account that has gone the nearest name that is left
// decides.
func (o *operation) maySpendNear(all ...string) bool {
	for _, s := range all {
		p, err := accountPath(s)
		if err != nil || o.may(command.Spend, tree.Nearest(o.tx, p).Path) != nil {
			return false
		}
	}
	return true
}

func (o *operation) concernedByHold(name string) bool {
	h, ok := findHold(o.tx, name)
	if !ok {
		return o.concernedByMaking(name, "hold", "cash_cheque")
	}
	return o.related().toHold(&h)
}

// concernedByMaking is for a name that stands for nothing yet, as the op itself is to
// make it: whether the caller has to do with the step that does. It must be of one of
// the kinds.
func (o *operation) concernedByMaking(name string, kinds ...string) bool {
	for _, s := range o.steps {
		if kind, body := kindOf(s); kind != nil && body.GetId() == name {
			return slices.Contains(kinds, kind.name) && o.concerned(s)
		}
	}
	return false
}

func (o *operation) concernedByDocument(name string) bool {
	if _, ok := findDocument(o.tx, name); !ok {
		return o.concernedByMaking(name, "write_cheque", "issue_invoice")
	}
	_, err := o.visible(name)
	return err == nil
}

func (o *operation) concernedByEntries(name string) bool {
	of := o.movedBy(name)
	if of == nil {
		return o.concernedByMaking(name, transferKind, "capture", "cash_cheque")
	}
	return of.known
}
