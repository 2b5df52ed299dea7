package ledger_test

import (
	"math/big"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// stepOf gives what a step says and its id, which is empty for a guard.
func stepOf(s *pb.Step) (step proto.Message, id string) {
	m := s.ProtoReflect()
	f := m.WhichOneof(m.Descriptor().Oneofs().ByName("step"))
	if f == nil {
		return nil, ""
	}
	step = m.Get(f).Message().Interface()
	if s.GetGuard() == nil {
		id = stringField(step, "id")
	}
	return step, id
}

func stringField(m proto.Message, name protoreflect.Name) string {
	return m.ProtoReflect().Get(m.ProtoReflect().Descriptor().Fields().ByName(name)).String()
}

// op makes a list of steps, all or none.
func (l *plainLedger) op(caller plainCaller, req *pb.OpRequest) (*pb.OpResponse, *plainFault) {
	if f := malformedOp(req); f != nil {
		return nil, f
	}
	if res, f := l.opBefore(caller, req); res != nil || f != nil {
		return res, f
	}
	before := &plainRun{plainLedger: l, caller: caller, request: req.Steps}
	r := &plainRun{plainLedger: l.clone(), caller: caller}
	res := &pb.OpResponse{Index: l.index}
	for i, s := range req.Steps {
		result, f := r.step(s)
		if f != nil {
			before.keepOp(req, i, f)
			return nil, f.at(i)
		}
		res.Results = append(res.Results, &pb.StepResult{Index: result.index, Amount: result.amount, Hash: result.hash})
	}
	if f := r.leavesEmpty(l); f != nil {
		before.keepOp(req, len(req.Steps), f)
		return nil, f
	}
	r.finish(l)
	*l = *r.plainLedger
	return res, nil
}

// keepOp remembers a refusal under the id of the step, or that of the first step
// for what has none, if the caller has to do with that step. That a time is over it
// need not remember.
func (r *plainRun) keepOp(req *pb.OpRequest, position int, f *plainFault) {
	speaking := slices.Clone(req.Steps)
	if position < len(req.Steps) {
		if _, over := req.Steps[position].GetGuard().GetGuard().(*pb.Guard_NotAfterUnixNanos); over {
			return
		}
		speaking = slices.Insert(speaking, 0, req.Steps[position])
	}
	for _, s := range speaking {
		if step, id := stepOf(s); id != "" {
			if r.concerns(s) {
				r.keep(id, step, f)
			}
			return
		}
	}
}

// opBefore gives the results of then when all steps stand already. It refuses ids
// that were used for something else, or failed before, or of which only some stand.
func (l *plainLedger) opBefore(caller plainCaller, req *pb.OpRequest) (*pb.OpResponse, *plainFault) {
	r := &plainRun{plainLedger: l, caller: caller, request: req.Steps}
	res := &pb.OpResponse{Index: l.index}
	stand, missing := 0, 0
	for i, s := range req.Steps {
		step, id := stepOf(s)
		if id == "" {
			res.Results = append(res.Results, &pb.StepResult{})
			continue
		}
		was, stands, f := r.before(id, step)
		if (stands || f != nil) && !r.concerns(s) {
			f = &plainFault{kind: fault.Conflict, field: "id"}
		}
		if f != nil {
			return nil, f.at(i)
		}
		if stands {
			stand++
		} else {
			missing++
		}
		if stand > 0 && missing > 0 {
			return nil, &plainFault{kind: fault.Conflict, field: "steps", position: i}
		}
		res.Results = append(res.Results, &pb.StepResult{Index: was.index, Amount: was.amount, Hash: was.hash, Existing: true})
	}
	if stand == 0 {
		return nil, nil
	}
	return res, nil
}

// step makes one step of an op.
func (r *plainRun) step(s *pb.Step) (plainResult, *plainFault) {
	switch s := s.Step.(type) {
	case *pb.Step_Guard:
		return plainResult{index: r.index}, r.guard(s.Guard)
	case *pb.Step_Transfer:
		return r.transfer(s.Transfer)
	}
	step, id := stepOf(s)
	if was, stands, f := r.before(id, step); stands || f != nil {
		return plainResult{index: was.index, amount: was.amount, hash: was.hash, existing: true}, f
	}
	amount, hash, f := r.make(s)
	if f != nil {
		return plainResult{}, f
	}
	return r.note(id, step, amount, hash), nil
}

// make makes a step that is no transfer and has not been made.
func (r *plainRun) make(step *pb.Step) (amount, hash string, f *plainFault) {
	switch s := step.Step.(type) {
	case *pb.Step_Hold:
		amount, f = r.placeHold(s.Hold)
	case *pb.Step_Capture:
		amount, f = r.capture(s.Capture)
	case *pb.Step_Release:
		amount, f = r.release(s.Release)
	case *pb.Step_Extend:
		amount, f = r.extend(s.Extend)
	default:
		return r.document(step)
	}
	return amount, "", f
}

// malformedOp refuses what is wrong with an op in any state.
func malformedOp(req *pb.OpRequest) *plainFault {
	met := make(map[string]bool)
	for i, s := range req.Steps {
		step, id := stepOf(s)
		if id != "" && (met[id] || isBeforeTime(step)) || malformedStep(s) {
			return refuse(fault.Invalid).at(i)
		}
		met[id] = true
	}
	return nil
}

// isBeforeTime says whether a time in the step is before 1970.
func isBeforeTime(step proto.Message) (before bool) {
	step.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		before = before || f.Kind() == protoreflect.Int64Kind && v.Int() < 0
		return true
	})
	return before
}

// hasFixed says whether a share is of an amount.
func hasFixed(shares []*pb.Share) bool {
	return slices.ContainsFunc(shares, func(s *pb.Share) bool { return s.Weight == 0 })
}

// optional says whether an amount may be left out or is one.
func optional(s string) bool { return s == "" || isAmount(s) }

func positive(s string) bool { return isAmount(s) && strings.Trim(s, "0.") != "" }

func isAccount(paths ...string) bool {
	return !slices.ContainsFunc(paths, func(p string) bool { return plainPath(p) == "" })
}

// malformedStep says whether a step would be refused in any state.
func malformedStep(s *pb.Step) bool {
	switch s := s.Step.(type) {
	case *pb.Step_Transfer:
		return malformedTransfer(s.Transfer) || s.Transfer.Linked
	case *pb.Step_Guard:
		return malformedGuard(s.Guard)
	case *pb.Step_Hold:
		h := s.Hold
		return !isAccount(h.Debit, h.Credit) || !positive(h.Amount) ||
			h.ExpiresUnixNanos != 0 && h.LifetimeSeconds != 0 || h.LifetimeSeconds > plainTenYears
	case *pb.Step_Capture:
		return !optional(s.Capture.Amount) || !goodPayees("", s.Capture.Shares) || s.Capture.Amount == "" && hasFixed(s.Capture.Shares)
	case *pb.Step_Release:
		return !optional(s.Release.Amount)
	case *pb.Step_Extend:
		x := s.Extend
		return x.Amount != "" && !positive(x.Amount) || x.Amount == "" && x.ExpiresUnixNanos == 0
	case nil:
		return true
	}
	return malformedDocumentStep(s)
}

// plainStates are those of documents and holds.
var plainStates = strings.Fields("open captured released expired spent cancelled overdue paid credited void final")

func malformedGuard(g *pb.Guard) bool {
	switch g := g.Guard.(type) {
	case *pb.Guard_Balance:
		return !isAccount(g.Balance.Account) || !isAmount(strings.TrimPrefix(g.Balance.AtLeast, "-"))
	case *pb.Guard_Version:
		return !isAccount(g.Version.Account) || g.Version.Version == 0
	case *pb.Guard_Document:
		return !slices.Contains(plainStates, g.Document.State)
	case nil:
		return true
	}
	return false
}

// guard refuses the op unless something is so.
func (r *plainRun) guard(g *pb.Guard) *plainFault {
	holds := true
	switch g := g.Guard.(type) {
	case *pb.Guard_Balance:
		if f := r.allowed("Read", g.Balance.Account); f != nil {
			return f
		}
		all, f := r.find(g.Balance.Account)
		if f != nil {
			return f
		}
		a := &r.accounts[all[0]]
		digits, below := strings.CutPrefix(g.Balance.AtLeast, "-")
		least := parse(digits, r.scales[a.asset])
		if least == nil {
			return refuse(fault.Invalid)
		}
		if below {
			least = minus(nothing, least)
		}
		holds = a.balance().Cmp(least) >= 0
	case *pb.Guard_Version:
		if f := r.allowed("Read", g.Version.Account); f != nil {
			return f
		}
		all, f := r.find(g.Version.Account)
		if f != nil {
			return f
		}
		holds = r.accounts[all[0]].version == g.Version.Version
	case *pb.Guard_Document:
		state, there := r.stateOf(g.Document.Document)
		if !there || !r.knows(g.Document.Document) {
			return refuse(fault.NotFound)
		}
		holds = state == g.Document.State
	case *pb.Guard_NotAfterUnixNanos:
		holds = r.now <= g.NotAfterUnixNanos
	}
	if !holds {
		return refuse(fault.Conflict)
	}
	return nil
}

// stateOf gives the state of a document or hold.
func (l *plainLedger) stateOf(id string) (state string, there bool) {
	if h, ok := l.holds[id]; ok {
		return h.state(), true
	}
	if d, ok := l.documents[id]; ok {
		return d.state(l.now), true
	}
	return "", false
}

// concerns says whether the caller has to do with what a step names. If not, it is
// told of an id that it was used, and not what for.
func (r *plainRun) concerns(s *pb.Step) bool {
	if r.caller.operator {
		return true
	}
	switch s := s.Step.(type) {
	case *pb.Step_Transfer:
		return r.spendNear(append([]string{s.Transfer.Debit}, s.Transfer.ThenDebit...)...)
	case *pb.Step_Hold:
		return r.spendNear(s.Hold.Debit)
	case *pb.Step_Exchange:
		return r.spendNear(s.Exchange.Debit, s.Exchange.BrokerDebit)
	case *pb.Step_WriteCheque:
		return r.spendNear(s.WriteCheque.Account)
	case *pb.Step_IssueInvoice:
		return r.spendNear(s.IssueInvoice.Receivable)
	case *pb.Step_PayInvoice:
		return r.spendNear(s.PayInvoice.Debit)
	case *pb.Step_Refund:
		if !slices.ContainsFunc(r.entries, func(e plainEntry) bool { return e.id == s.Refund.Of }) {
			return r.concernsMaking(s.Refund.Of, "transfer", "capture", "cash_cheque")
		}
		return slices.ContainsFunc(r.entries, func(e plainEntry) bool { return e.id == s.Refund.Of && r.hasPart(e.debit, e.credit) })
	}
	step, _ := stepOf(s)
	for _, field := range []protoreflect.Name{"hold", "cheque", "invoice"} {
		f := step.ProtoReflect().Descriptor().Fields().ByName(field)
		if f == nil || f.Kind() != protoreflect.StringKind {
			continue
		}
		id := step.ProtoReflect().Get(f).String()
		_, there := r.documents[id]
		makers := []string{"write_cheque", "issue_invoice"}
		if field == "hold" {
			_, there = r.holds[id]
			makers = []string{"hold", "cash_cheque"}
		}
		if !there && r.concernsMaking(id, makers...) || there && r.knows(id) {
			return true
		}
	}
	return false
}

// concernsMaking is concerns for what is not there, but is made by a step of the op, of
// one of the kinds.
func (r *plainRun) concernsMaking(id string, makers ...string) bool {
	return slices.ContainsFunc(r.request, func(s *pb.Step) bool {
		_, made := stepOf(s)
		return made == id && slices.Contains(makers, kindOf(s)) && r.concerns(s)
	})
}

// knows says whether the caller has a part in a document or hold.
func (r *plainRun) knows(id string) bool {
	if h, ok := r.holds[id]; ok {
		return r.partOf(&h)
	}
	d, ok := r.documents[id]
	return ok && (slices.ContainsFunc(d.parties, r.isCaller) || r.hasPart(d.accounts...))
}

func (r *plainRun) partOf(h *plainHold) bool {
	return r.isCaller(h.delegate) || r.hasPart(h.debit, h.credit)
}

// spendOfHold is spend for an account of a hold, of which who has no part in it is
// told nothing.
func (r *plainRun) spendOfHold(h *plainHold, account int) *plainFault {
	f := r.spend(r.accounts[account].path)
	if f != nil && !r.partOf(h) {
		return refuse(fault.NotFound)
	}
	return f
}

// What holds live by default and at most.
const (
	plainWeek     = 7 * 24 * 3600
	plainTenYears = 3653 * 24 * 3600
	plainSecond   = 1_000_000_000
)

// endOf gives the log time at which something ends that lives so long.
func (r *plainRun) endOf(expires int64, lifetime uint64) (int64, *plainFault) {
	if expires == 0 {
		if lifetime == 0 {
			lifetime = plainWeek
		}
		expires = r.now + int64(lifetime)*plainSecond
	}
	if expires <= r.now || expires > r.now+plainTenYears*plainSecond {
		return 0, refuse(fault.Conflict)
	}
	return expires, nil
}

func (r *plainRun) placeHold(p *pb.PlaceHold) (string, *plainFault) {
	if f := r.spend(p.Debit); f != nil {
		return "", f
	}
	var delegate plainParty
	if p.Delegate != "" {
		var f *plainFault
		if delegate, f = r.entrusted(p.Delegate); f != nil {
			return "", f
		}
	}
	all, f := r.find(p.Debit, p.Credit)
	if f != nil {
		return "", f
	}
	scale, f := r.oneAsset("", all[:1], all[1:])
	if f != nil {
		return "", f
	}
	amount := parse(p.Amount, scale)
	if amount == nil {
		return "", refuse(fault.Invalid)
	}
	expires, f := r.endOf(p.ExpiresUnixNanos, p.LifetimeSeconds)
	if f != nil {
		return "", f
	}
	if f := r.usable(all...); f != nil {
		return "", f
	}
	h := plainHold{id: p.Id, delegate: delegate, description: p.Description, debit: all[0], credit: all[1], expires: expires}
	if f := r.reserve(h, p.Id, amount); f != nil {
		return "", f
	}
	return format(amount, scale), nil
}

// reserve places a hold of the amount.
func (r *plainRun) reserve(h plainHold, step string, amount *big.Int) *plainFault {
	h.overdraft = r.accounts[h.debit].holdOverdraft
	h.placed, h.index = r.now, r.index
	h.held, h.captured, h.released, h.expired = nothing, nothing, nothing, nothing
	r.holds[h.id] = h
	r.holdOrder = append(r.holdOrder, h.id)
	return r.holdMore(h, step, amount, h.description)
}

// holdMore reserves an amount of a hold.
func (r *plainRun) holdMore(h plainHold, step string, amount *big.Int, description string) *plainFault {
	debit, credit := r.accounts[h.debit], r.accounts[h.credit]
	if exceeds(amount, debit.reservable(h.overdraft, r.now)) || exceeds(amount, credit.room()) {
		return refuse(fault.Insufficient)
	}
	if exceeds(plus(h.held, amount), most) {
		return refuse(fault.Exhausted)
	}
	r.post(plainEntry{
		kind: "hold", id: step, debit: h.debit, credit: h.credit, amount: amount, hold: h.id,
		document: h.document, description: description,
	})
	return r.fits(h.debit, h.credit)
}

// held gives a hold that the caller may capture and release.
func (r *plainRun) held(id string) (h plainHold, f *plainFault) {
	h, ok := r.holds[id]
	if !ok {
		return h, refuse(fault.NotFound)
	}
	if !r.isCaller(h.delegate) {
		if f := r.spendOfHold(&h, h.credit); f != nil {
			return h, f
		}
	}
	return h, nil
}

// mustBeOpen refuses a hold that has ended.
func (r *plainRun) mustBeOpen(h *plainHold) *plainFault {
	if h.ended != "" {
		return refuse(fault.Conflict)
	}
	return nil
}

// ofRemaining gives how much of what remains is meant: all when it says nothing.
func (r *plainRun) ofRemaining(h *plainHold, s string) (*big.Int, *plainFault) {
	if s == "" {
		return h.remaining(), nil
	}
	amount := parse(s, r.scaleOf(h.debit))
	if amount == nil {
		return nil, refuse(fault.Invalid)
	}
	return amount, nil
}

func (r *plainRun) capture(p *pb.CaptureHold) (string, *plainFault) {
	h, f := r.held(p.Hold)
	if f != nil {
		return "", f
	}
	if len(p.Shares) > 0 && !r.accounts[h.credit].gone { // what the payee has is spent, which is not for the delegate
		if f := r.spend(r.accounts[h.credit].path); f != nil {
			return "", f
		}
	}
	shares, payees := p.Shares, []int{h.credit}
	if len(shares) == 0 {
		shares = []*pb.Share{{Weight: 1}}
	} else if payees, f = r.payees("", shares); f != nil {
		return "", f
	}
	scale, f := r.oneAsset("", []int{h.debit}, payees)
	if f != nil {
		return "", f
	}
	amount, f := r.ofRemaining(&h, p.Amount)
	if f != nil {
		return "", f
	}
	if !sharesAtScale(shares, scale) {
		return "", refuse(fault.Invalid)
	}
	gets := plainShares(shares, amount, scale)
	if gets == nil {
		return "", refuse(fault.Invalid)
	}
	if f := r.mustBeOpen(&h); f != nil {
		return "", f
	}
	if f := r.usable(append([]int{h.debit, h.credit}, payees...)...); f != nil {
		return "", f
	}
	if f := r.inOpenPeriod(p.EffectiveUnixNanos); f != nil {
		return "", f
	}
	if exceeds(amount, h.remaining()) {
		return "", refuse(fault.Insufficient)
	}
	for i, payee := range payees {
		if payee != h.credit && exceeds(gets[i], r.accounts[payee].room()) {
			return "", refuse(fault.Insufficient)
		}
	}
	r.pay(p, &h, payees, gets)
	if f := r.fits(append([]int{h.debit, h.credit}, payees...)...); f != nil {
		return "", f
	}
	return format(amount, scale), nil
}

// pay makes the entries of a capture.
func (r *plainRun) pay(p *pb.CaptureHold, h *plainHold, payees []int, gets []*big.Int) {
	part := 0
	post := func(kind string, credit int, amount *big.Int) {
		r.post(plainEntry{
			kind: kind, id: p.Id, part: part, debit: h.debit, credit: credit, amount: amount, hold: h.id,
			document: h.document, effective: p.EffectiveUnixNanos, description: p.Description,
		})
		part++
	}
	for i, payee := range payees {
		switch {
		case gets[i].Sign() == 0:
		case payee == h.credit:
			post("capture", payee, gets[i])
		default:
			post("divert", h.credit, gets[i])
			post("payout", payee, gets[i])
		}
	}
	now := r.holds[h.id]
	if left := now.remaining(); p.Final && left.Sign() > 0 {
		post("release", h.credit, left)
		now = r.holds[h.id]
		if now.captured.Sign() > 0 {
			now.ended = "captured"
		}
		r.holds[h.id] = now
	}
}

func (r *plainRun) release(p *pb.ReleaseHold) (string, *plainFault) {
	h, f := r.held(p.Hold)
	if f != nil {
		return "", f
	}
	amount, f := r.ofRemaining(&h, p.Amount)
	if f != nil {
		return "", f
	}
	if f := r.mustBeOpen(&h); f != nil {
		return "", f
	}
	if exceeds(amount, h.remaining()) {
		return "", refuse(fault.Insufficient)
	}
	if amount.Sign() == 0 {
		return r.text(h.debit, amount), nil
	}
	r.post(plainEntry{kind: "release", id: p.Id, debit: h.debit, credit: h.credit, amount: amount, hold: h.id, document: h.document})
	return r.text(h.debit, amount), nil
}

func (r *plainRun) extend(p *pb.ExtendHold) (string, *plainFault) {
	h, ok := r.holds[p.Hold]
	if !ok {
		return "", refuse(fault.NotFound)
	}
	if f := r.spendOfHold(&h, h.debit); f != nil {
		return "", f
	}
	amount := nothing
	if p.Amount != "" {
		amount = parse(p.Amount, r.scaleOf(h.debit))
	}
	if amount == nil {
		return "", refuse(fault.Invalid)
	}
	if f := r.mustBeOpen(&h); f != nil {
		return "", f
	}
	if f := r.usable(h.debit, h.credit); f != nil {
		return "", f
	}
	if h.document != "" {
		return "", refuse(fault.Conflict)
	}
	if p.ExpiresUnixNanos != 0 {
		if p.ExpiresUnixNanos <= h.expires || p.ExpiresUnixNanos > r.now+plainTenYears*plainSecond {
			return "", refuse(fault.Conflict)
		}
		h.expires = p.ExpiresUnixNanos
		r.holds[h.id] = h
	}
	if amount.Sign() > 0 {
		if f := r.holdMore(h, p.Id, amount, ""); f != nil {
			return "", f
		}
	}
	return r.text(h.debit, amount), nil
}
