package ledger

import (
	"slices"
	"strconv"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// operation is an op that is being made.
type operation struct {
	*book
	steps []*pb.Step
	// bodies are what the steps say, in canonical bytes, as far as it was needed.
	bodies []string
	res    *pb.OpResponse
	// wider are the steps that may name more accounts than their entries.
	wider []*pb.Step
	// What was found before, by earlier steps of the op: what the caller has to do with,
	// documents, and what other steps moved.
	relation  *related
	documents map[string]document
	moved     map[string]*moved
	// receipted counts the payments that receipts of the op list.
	receipted int
}

// result is what a step gives beside its entries.
type result struct{ amount, hash string }

func op(tx *command.Tx, req *pb.OpRequest) (*pb.OpResponse, error) {
	o := &operation{
		book: openBook(tx), steps: req.Steps, bodies: make([]string, len(req.Steps)),
		res: &pb.OpResponse{Index: tx.Index, Results: make([]*pb.StepResult, 0, len(req.Steps))},
	}
	stand, err := o.claim()
	if err != nil {
		return nil, err
	}
	if stand != nil {
		return o.answerAgain(stand), nil
	}
	for i, s := range o.steps {
		made, err := o.make(i, s)
		if err != nil {
			return nil, inStep(i, s, err)
		}
		o.res.Results = append(o.res.Results, &pb.StepResult{Index: tx.Index, Amount: made.amount, Hash: made.hash})
	}
	if err := o.close(); err != nil {
		return nil, err
	}
	if !slices.ContainsFunc(req.Steps, makes) {
		return o.res, nil // anybody can send any number of them
	}
	return o.res, tx.Grow(func() (bytes int, err error) {
		line := &auditLine{what: describeSteps(req.Steps), details: detailsOfSteps(req.Steps), accounts: o.unmoved(accountsOfSteps(tx, o.wider))}
		o.audit(line)
		for _, p := range line.accounts {
			bytes += len(p)
		}
		return bytes, nil
	})
}

// makes says whether a step is more than a guard, of which no line says anything.
func makes(s *pb.Step) bool { return s.GetGuard() == nil }

func unguarded(all []*pb.Step) []*pb.Step {
	return slices.DeleteFunc(slices.Clone(all), func(s *pb.Step) bool { return !makes(s) })
}

// checkSteps refuses what is wrong in any state.
func checkSteps(all []*pb.Step) error {
	ids, made := make(idSet, len(all)), 0
	for i, s := range all {
		err := checkOne(s, ids)
		if made += stepEntriesAtMost(s); err == nil {
			err = checkEntries(made)
		}
		if err != nil {
			return inStep(i, s, err)
		}
	}
	return nil
}

func checkOne(s *pb.Step, ids idSet) error {
	if g := s.GetGuard(); g != nil {
		return checkGuard(g)
	}
	kind, body := kindOf(s)
	if kind == nil {
		return fault.Invalid.New("a step is one of those that the API names, this one is none")
	}
	if err := ids.add(body.GetId()); err != nil {
		return err
	}
	return kind.check(body)
}

// stepEntriesAtMost is how many entries the step can come to.
func stepEntriesAtMost(s *pb.Step) int {
	kind, body := kindOf(s)
	if kind == nil {
		return 0
	}
	return kind.entries(body)
}

// claim gives the steps that stand under the ids of the op, when they all do. It
// refuses ids that were used for something else, or failed before, or of which
// only some stand.
func (o *operation) claim() ([]*step, error) {
	stand, standing, missing := make([]*step, len(o.steps)), 0, 0
	for i, s := range o.steps {
		kind, body := kindOf(s)
		if kind == nil {
			continue
		}
		was, err := o.claimStep(i, kind, body)
		if (was != nil || err != nil) && !o.concerned(s) {
			err = fault.Conflict.New("the id was used before").With("field", "id")
		}
		if err != nil {
			return nil, inStep(i, s, err)
		}
		if stand[i] = was; was == nil {
			missing++
		} else {
			standing++
		}
		if standing > 0 && missing > 0 {
			return nil, inStep(i, s, halfStands(was != nil))
		}
	}
	if standing == 0 {
		return nil, nil
	}
	return stand, nil
}

// halfStands refuses an op at the first step of which it is seen that some of its
// steps were made before and others not.
func halfStands(made bool) error {
	f := fault.Conflict.New("it was not made before, and steps in front of it were: an op is sent again with the steps that it had")
	if made {
		f = fault.Conflict.New("it was made before, and steps in front of it were not: an op is sent again with the steps that it had")
	}
	return f.With("field", "steps")
}

func (o *operation) claimStep(i int, kind *stepKind, body identified) (*step, error) {
	if t, ok := body.(*pb.Transfer); ok {
		return o.claimTransfer(t)
	}
	o.bodies[i] = canonical(body.ProtoReflect())
	was, ok := steps.Get(o.tx, kv.StringKey(body.GetId()))
	if !ok {
		return nil, failedBefore(o.tx, kind.name, body, func() string { return o.bodies[i] })
	}
	return &was, mustBeSame(body, was.kind, kind.name, was.body, o.bodies[i])
}

// answerAgain gives the results of the steps as they were when they were made.
func (o *operation) answerAgain(stand []*step) *pb.OpResponse {
	for i, was := range stand {
		r := &pb.StepResult{}
		if was != nil {
			r = &pb.StepResult{Index: was.first.Index, Amount: was.amount, Hash: was.hash, Existing: true}
			if t := o.steps[i].GetTransfer(); t != nil && was.body == "" {
				r.Amount = o.plainAmount(was)
			}
		}
		o.res.Results = append(o.res.Results, r)
	}
	return o.res
}

func (o *operation) plainAmount(was *step) string {
	e, _ := entries.Get(o.tx, was.first)
	return e.amount.Format(mustAsset(o.tx, accountOf(o.tx, e.debit).asset).scale)
}

// make makes a step.
func (o *operation) make(i int, s *pb.Step) (result, error) {
	if g := s.GetGuard(); g != nil {
		return result{}, o.guard(g)
	}
	kind, body := kindOf(s)
	o.now = origin{name: body.GetId(), effective: o.tx.Time}
	made, err := kind.make(o, body)
	if o.now.entries == 0 || kind.isWider(body) {
		o.wider = append(o.wider, s)
	}
	if err != nil || kind.name == transferKind { // which keeps itself
		return made, err
	}
	o.keepStep(step{name: body.GetId(), kind: kind.name, body: o.bodies[i], amount: made.amount, hash: made.hash})
	return made, nil
}

// checkTransferStep is checkTransfer for a transfer that is a step.
func checkTransferStep(t *pb.Transfer) error {
	if t.Linked {
		return fault.Invalid.New("linked is for lists of chains: an op is made whole or not at all")
	}
	return checkTransfer(t, nil)
}

func (o *operation) makeTransferStep(t *pb.Transfer) (result, error) {
	if err := o.maySpend(payersOf(t)...); err != nil {
		return result{}, err
	}
	made, err := o.makeTransfer(t)
	if err != nil {
		return result{}, err
	}
	if made.body == "" {
		made.amount = o.plainAmount(&made)
	}
	return result{amount: made.amount}, nil
}

func opRefused(tx *command.Tx, req *pb.OpRequest, refusal *fault.Fault) *fault.Fault {
	if s := stepToBlame(tx, req.Steps, refusal); s != nil {
		kind, body := kindOf(s)
		refusal = keepFailure(tx, refusal, kind.name, body.GetId(), canonical(body.ProtoReflect()))
	}
	return auditRefusal(tx, refusal, &auditLine{
		what: describeSteps(req.Steps), details: detailsOfSteps(req.Steps), accounts: joined(named(refusal.Details["path"]), accountsOfSteps(tx, foremost(req.Steps, unguarded(req.Steps), refusal))),
	})
}

// stepToBlame gives the step under whose id a refusal is kept; nil is none. It is the step
// that was refused, for which the caller was found to have access. For a guard, and for
// what the op as a whole left behind, it is the first that has an id, if the caller has
// to do with it. That a time is over stays so by itself, and whoever sends a guard can
// have it refused so: it is not kept.
func stepToBlame(tx *command.Tx, all []*pb.Step, refusal *fault.Fault) *pb.Step {
	if !isKept(refusal) {
		return nil
	}
	if at, ok := positionOf(refusal, len(all)); ok {
		if kind, _ := kindOf(all[at]); kind != nil {
			return all[at]
		}
		if _, over := all[at].GetGuard().GetGuard().(*pb.Guard_NotAfterUnixNanos); over {
			return nil
		}
	}
	for _, s := range all {
		if kind, _ := kindOf(s); kind == nil {
			continue
		}
		if (&operation{book: openBook(tx)}).concerned(s) {
			return s
		}
		break
	}
	return nil
}

// inStep says which step of the op an error is about.
func inStep(position int, s *pb.Step, err error) error {
	what := "step " + strconv.Itoa(position) + " (" + nameOf(s)
	if _, body := kindOf(s); body != nil {
		what += " " + quote(body.GetId())
	}
	return inPosition(position, in(what+")", err))
}
