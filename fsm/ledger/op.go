package ledger

import (
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
	res   *pb.OpResponse
	// receipted counts the payments that receipts of the op list.
	receipted int
}

// result is what a step gives beside its entries.
type result struct{ amount, hash string }

func op(tx *command.Tx, req *pb.OpRequest) (*pb.OpResponse, error) {
	o := &operation{book: openBook(tx), steps: req.Steps, res: &pb.OpResponse{Index: tx.Index}}
	stand, err := o.claim()
	if err != nil {
		return nil, err
	}
	if stand != nil {
		return o.answerAgain(stand), nil
	}
	for i, s := range o.steps {
		if err := o.make(s); err != nil {
			return nil, inStep(i, s, err)
		}
	}
	if err := o.close(); err != nil {
		return nil, err
	}
	line := &auditLine{what: describeSteps(req.Steps)}
	if o.made == 0 {
		line.accounts = accountsOfSteps(tx, req.Steps)
	}
	o.audit(line)
	return o.res, nil
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
	body := identifiedOf(s)
	if body == nil {
		return fault.Invalid.New("a step is one of those that the API names, this one is none")
	}
	if err := ids.add(body.GetId()); err != nil {
		return err
	}
	return checkStep(s)
}

// stepEntriesAtMost is how many entries the step can come to.
func stepEntriesAtMost(s *pb.Step) int {
	switch s := s.Step.(type) {
	case *pb.Step_Transfer:
		return entriesAtMost(s.Transfer)
	case *pb.Step_Capture:
		return 2 + 2*len(s.Capture.GetShares())
	}
	return 2
}

// claim gives the steps that stand under the ids of the op, when they all do. It
// refuses ids that were used for something else, or failed before, or of which
// only some stand.
func (o *operation) claim() ([]*step, error) {
	stand, standing, missing := make([]*step, len(o.steps)), 0, 0
	for i, s := range o.steps {
		body := identifiedOf(s)
		if body == nil {
			continue
		}
		was, err := o.claimStep(s, body)
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
			return nil, inStep(i, s, used("steps"))
		}
	}
	if standing == 0 {
		return nil, nil
	}
	return stand, nil
}

func (o *operation) claimStep(s *pb.Step, body identified) (*step, error) {
	if t := s.GetTransfer(); t != nil {
		return o.claimTransfer(t)
	}
	kind := kindOf(s)
	said := canonical(body.ProtoReflect())
	was, ok := steps.Get(o.tx, kv.StringKey(body.GetId()))
	if !ok {
		return nil, failedBefore(o.tx, kind, body, func() string { return said })
	}
	return &was, sameStep(&was, kind, body, was.body, said)
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

// make makes a step and adds its result.
func (o *operation) make(s *pb.Step) error {
	if g := s.GetGuard(); g != nil {
		o.res.Results = append(o.res.Results, &pb.StepResult{Index: o.tx.Index})
		return o.guard(g)
	}
	if t := s.GetTransfer(); t != nil {
		return o.transferStep(t)
	}
	body := identifiedOf(s)
	o.now = origin{name: body.GetId(), effective: o.tx.Time}
	made, err := o.makeStep(s)
	if err != nil {
		return err
	}
	o.keepStep(step{
		name: body.GetId(), kind: kindOf(s), body: canonical(body.ProtoReflect()), amount: made.amount, hash: made.hash,
	})
	o.res.Results = append(o.res.Results, &pb.StepResult{Index: o.tx.Index, Amount: made.amount, Hash: made.hash})
	return nil
}

func (o *operation) transferStep(t *pb.Transfer) error {
	if err := o.maySpend(append([]string{t.Debit}, t.ThenDebit...)...); err != nil {
		return err
	}
	made, err := o.makeTransfer(t)
	if err != nil {
		return err
	}
	if made.body == "" {
		made.amount = o.plainAmount(&made)
	}
	o.res.Results = append(o.res.Results, &pb.StepResult{Index: o.tx.Index, Amount: made.amount})
	return nil
}

func opRefused(tx *command.Tx, req *pb.OpRequest, refusal *fault.Fault) {
	if s := speaking(tx, req.Steps, refusal); s != nil {
		body := identifiedOf(s)
		keepFailure(tx, refusal, kindOf(s), body.GetId(), stepBody(s, body))
	}
	auditRefusal(tx, refusal, &auditLine{what: describeSteps(req.Steps), accounts: accountsOfSteps(tx, req.Steps)})
}

// speaking gives the step under whose id a refusal is kept: the one that was
// refused, for which the caller was found to have access; for a guard, and for what
// the op as a whole left behind, the first that has an id, if the caller has to do
// with it. That a time is over stays so by itself, and anybody may say it: it is not
// kept.
func speaking(tx *command.Tx, all []*pb.Step, refusal *fault.Fault) *pb.Step {
	if !keepsFailing(refusal) {
		return nil
	}
	if at, ok := positionOf(refusal, len(all)); ok {
		if identifiedOf(all[at]) != nil {
			return all[at]
		}
		if _, over := all[at].GetGuard().GetGuard().(*pb.Guard_NotAfterUnixNanos); over {
			return nil
		}
	}
	for _, s := range all {
		if identifiedOf(s) == nil {
			continue
		}
		if (&operation{book: openBook(tx)}).concerned(s) {
			return s
		}
		break
	}
	return nil
}

func stepBody(s *pb.Step, body identified) string {
	if t := s.GetTransfer(); t != nil {
		return bodyOf(t)
	}
	return canonical(body.ProtoReflect())
}

// identifiedOf gives what the step is, if that has an id.
func identifiedOf(s *pb.Step) identified {
	m := s.ProtoReflect()
	f := m.WhichOneof(m.Descriptor().Oneofs().Get(0))
	if f == nil {
		return nil
	}
	body, _ := m.Get(f).Message().Interface().(identified)
	return body
}

// kindOf gives the name of the step in the API.
func kindOf(s *pb.Step) string {
	m := s.ProtoReflect()
	if f := m.WhichOneof(m.Descriptor().Oneofs().Get(0)); f != nil {
		return string(f.Name())
	}
	return "nothing"
}

// inStep says which step of the op an error is about.
func inStep(position int, s *pb.Step, err error) error {
	what := "step " + strconv.Itoa(position) + " (" + kindOf(s)
	if body := identifiedOf(s); body != nil {
		what += " " + quote(body.GetId())
	}
	return inPosition(position, in(what+")", err))
}
