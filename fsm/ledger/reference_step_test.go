package ledger_test

import (
	"cmp"
	"maps"
	"math/big"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// post adds an entry and makes what it does to its accounts and its hold.
func (l *plainLedger) post(e plainEntry) {
	e.index, e.time = l.index, l.now
	debit, credit := &l.accounts[e.debit], &l.accounts[e.credit]
	e.add(&debit.plainCounters, &credit.plainCounters)
	debit.spend(e.kind, e.amount, l.now)
	l.entries = append(l.entries, e)
	if h, ok := l.holds[e.hold]; ok {
		h.add(&e)
		l.holds[e.hold] = h
	}
}

// add makes what an entry does to the hold. What brings it to an end names its
// state.
func (h *plainHold) add(e *plainEntry) {
	switch e.kind {
	case "hold":
		h.held = plus(h.held, e.amount)
		return
	case "capture", "divert":
		h.captured = plus(h.captured, e.amount)
	case "release":
		h.released = plus(h.released, e.amount)
	case "expire":
		h.expired = plus(h.expired, e.amount)
	default:
		return
	}
	if h.remaining().Sign() == 0 {
		h.ended = map[string]string{"capture": "captured", "divert": "captured", "release": "released", "expire": "expired"}[e.kind]
	}
}

// plainRun is a request of steps as it is worked on.
type plainRun struct {
	*plainLedger
	caller plainCaller
	// request has the steps of the op, as far as they matter for whom they concern.
	request []*pb.Step
}

// plainCaller is who sends a request. may gives not_found or denied, or nothing.
type plainCaller struct {
	principal string
	operator  bool
	may       func(l *plainLedger, operation, path string) fault.Kind
}

// allowed refuses a caller that may not do the operation on one of the paths.
func (r *plainRun) allowed(operation string, paths ...string) *plainFault {
	for _, p := range paths {
		if kind := r.caller.may(r.plainLedger, operation, plainPath(p)); kind != "" {
			return refuse(kind)
		}
	}
	return nil
}

// spend refuses a caller that may not spend from one of the paths.
func (r *plainRun) spend(paths ...string) *plainFault { return r.allowed("Spend", paths...) }

// spendOrAgain is spend for what may have been made or refused before, when what has gone
// was there.
func (r *plainRun) spendOrAgain(id string, paths ...string) *plainFault {
	_, made := r.steps[id]
	_, refused := r.refusals[id]
	for _, p := range paths {
		if _, there := r.at[plainPath(p)]; (made || refused) && !there && r.spendNear(p) {
			continue
		}
		if f := r.spend(p); f != nil {
			return f
		}
	}
	return nil
}

// hasPart says whether the caller has to do with one of the accounts.
func (r *plainRun) hasPart(accounts ...int) bool {
	return slices.ContainsFunc(accounts, func(i int) bool {
		at := r.near(r.accounts[i].path)
		return r.allowed("Read", at) == nil || r.spend(at) == nil
	})
}

// near gives the path, or of one that is gone the nearest above it that is left.
func (r *plainRun) near(path string) string {
	path = plainPath(path)
	for path != "/account" && path != "" {
		if _, there := r.at[path]; there {
			break
		}
		path = path[:strings.LastIndexByte(path, '/')]
	}
	return path
}

// spendNear says whether the caller may spend from all the paths, or near them.
func (r *plainRun) spendNear(paths ...string) bool {
	return !slices.ContainsFunc(paths, func(p string) bool { return r.spend(r.near(p)) != nil })
}

// plainResult is what a step did.
type plainResult struct {
	index        uint64
	amount, hash string
	existing     bool
}

// canonicalStep gives a step as it is compared with what stands: with paths in one
// form, and nothing of how it stood in its list.
func canonicalStep(step proto.Message) proto.Message {
	c := proto.Clone(step)
	c.ProtoReflect().Range(func(f protoreflect.FieldDescriptor, v protoreflect.Value) bool {
		switch {
		case f.Name() == "linked":
			c.ProtoReflect().Clear(f)
		case f.Kind() == protoreflect.MessageKind:
			for i := range v.List().Len() {
				v.List().Set(i, protoreflect.ValueOfMessage(canonicalStep(v.List().Get(i).Message().Interface()).ProtoReflect()))
			}
		case f.Kind() == protoreflect.StringKind && f.IsList():
			for i := range v.List().Len() {
				v.List().Set(i, protoreflect.ValueOfString(canonicalText(f.Name(), v.List().Get(i).String())))
			}
		case f.Kind() == protoreflect.StringKind:
			c.ProtoReflect().Set(f, protoreflect.ValueOfString(canonicalText(f.Name(), v.String())))
		}
		return true
	})
	return c
}

func canonicalText(name protoreflect.Name, s string) string {
	if p := plainPath(s); p != "" && name != "description" && name != "resource" {
		return p
	}
	return s
}

// firstDifference names the first field in which two steps differ.
func firstDifference(a, b proto.Message) string {
	x, y := a.ProtoReflect(), b.ProtoReflect()
	if x.Descriptor() != y.Descriptor() {
		return "kind"
	}
	var fields []protoreflect.FieldDescriptor
	for i := range x.Descriptor().Fields().Len() {
		fields = append(fields, x.Descriptor().Fields().Get(i))
	}
	slices.SortFunc(fields, func(f, g protoreflect.FieldDescriptor) int { return cmp.Compare(f.Number(), g.Number()) })
	for _, f := range fields {
		if x.Has(f) != y.Has(f) || !x.Get(f).Equal(y.Get(f)) {
			return string(f.Name())
		}
	}
	return ""
}

// usedFor refuses an id that was used for something else.
func usedFor(was plainStep, step proto.Message) *plainFault {
	field := firstDifference(was.body, canonicalStep(step))
	if field == "" {
		return nil
	}
	return &plainFault{kind: fault.Conflict, field: field, position: -1}
}

// inTheSameWords gives a transfer in the words of another, where those mean the same
// of a transfer that stands: one of an amount from one account to another.
func (l *plainLedger) inTheSameWords(was plainStep, step proto.Message) plainStep {
	t, ok := was.body.(*pb.Transfer)
	is, too := step.(*pb.Transfer)
	if !ok || !too || !isPlain(t) {
		return was
	}
	t = proto.CloneOf(t)
	first := l.entries[slices.IndexFunc(l.entries, func(e plainEntry) bool { return e.id == t.Id })]
	asset := l.accounts[first.debit].asset
	if t.Asset = ""; is.Asset == asset {
		t.Asset = asset
	}
	if amount := parse(is.Amount, l.scales[asset]); amount != nil && amount.Cmp(first.amount) == 0 {
		t.Amount = is.Amount
	}
	if t.EffectiveUnixNanos = first.effective; first.effective == first.time || first.effective == 0 {
		if t.EffectiveUnixNanos = 0; is.EffectiveUnixNanos == first.time {
			t.EffectiveUnixNanos = first.time
		}
	}
	was.body = t
	return was
}

// before gives what the id of the step stands for already, or the refusal.
func (r *plainRun) before(id string, step proto.Message) (was plainStep, stands bool, f *plainFault) {
	if was, stands = r.steps[id]; stands {
		return was, true, usedFor(r.inTheSameWords(was, step), step)
	}
	if was, ok := r.refusals[id]; ok {
		if f = usedFor(was, step); f == nil {
			f = &plainFault{kind: was.refused, position: -1}
		}
		return was, false, f
	}
	return was, false, nil
}

// keep remembers the refusal of a step under its id.
func (l *plainLedger) keep(id string, step proto.Message, f *plainFault) {
	if _, stands := l.steps[id]; f.kept && !stands {
		l.refusals = maps.Clone(l.refusals)
		l.refusals[id] = plainStep{body: canonicalStep(step), index: l.index, refused: f.kind}
	}
}

// note makes the step stand under its id.
func (r *plainRun) note(id string, step proto.Message, amount, hash string) plainResult {
	r.steps[id] = plainStep{body: canonicalStep(step), index: r.index, amount: amount, hash: hash}
	return plainResult{index: r.index, amount: amount, hash: hash}
}

// usable refuses what a frozen or closed account takes no part in.
func (r *plainRun) usable(accounts ...int) *plainFault {
	for _, i := range accounts {
		if r.accounts[i].gone || r.accounts[i].state != "open" {
			return refuse(fault.Conflict)
		}
	}
	return nil
}

// inOpenPeriod refuses an effective time that is not in an open period.
func (r *plainRun) inOpenPeriod(effective int64) *plainFault {
	if effective == 0 {
		effective = r.now
	}
	if effective > r.now || effective < r.closedUntil() {
		return refuse(fault.Conflict)
	}
	return nil
}

// find gives the accounts at the paths, as far as the caller may see them.
func (r *plainRun) find(paths ...string) (all []int, f *plainFault) {
	for _, p := range paths {
		i, ok := r.at[plainPath(p)]
		if !ok || r.caller.may(r.plainLedger, "View", plainPath(p)) == fault.NotFound {
			return nil, refuse(fault.NotFound)
		}
		all = append(all, i)
	}
	return all, nil
}

// fits refuses counters over 2^103 - 1. The totals of an asset are far from full.
func (r *plainRun) fits(accounts ...int) *plainFault {
	for _, i := range accounts {
		if !r.accounts[i].fits() {
			return refuse(fault.Exhausted)
		}
	}
	return nil
}

// leavesEmpty refuses what leaves something behind on a transient account.
func (l *plainLedger) leavesEmpty(before *plainLedger) *plainFault {
	for i := range before.accounts {
		if a := &l.accounts[i]; a.kind == "transient" && !a.isEmpty() && !a.plainCounters.sameAs(&before.accounts[i].plainCounters) {
			return refuse(fault.Conflict)
		}
	}
	return nil
}

func (f *plainFault) at(position int) *plainFault {
	if f != nil {
		f.position = position
	}
	return f
}

// plainParts cuts an amount between those who pay and those who are paid, in order.
func plainParts(pays, gets []*big.Int, do func(payer, payee int, amount *big.Int)) {
	payer, payee := 0, 0
	pays, gets = slices.Clone(pays), slices.Clone(gets)
	for payer < len(pays) && payee < len(gets) {
		amount := lesser(pays[payer], gets[payee])
		if amount.Sign() > 0 {
			do(payer, payee, amount)
		}
		pays[payer], gets[payee] = minus(pays[payer], amount), minus(gets[payee], amount)
		if pays[payer].Sign() == 0 {
			payer++
		} else {
			payee++
		}
	}
}

// plainShares parts an amount: first the fixed amounts, then what remains by
// weight. It is nil when that does not come out even.
func plainShares(shares []*pb.Share, amount *big.Int, scale int) []*big.Int {
	parts := make([]*big.Int, len(shares))
	left, weights := amount, nothing
	for i, s := range shares {
		weights = plus(weights, new(big.Int).SetUint64(s.Weight))
		if s.Weight == 0 {
			parts[i] = parse(s.Amount, scale)
			left = minus(left, parts[i])
		}
	}
	if left.Sign() < 0 || weights.Sign() == 0 && left.Sign() != 0 {
		return nil
	}
	return byWeight(shares, parts, left, weights)
}

// byWeight gives the shares without a part their weight's part of what is left.
func byWeight(shares []*pb.Share, parts []*big.Int, left, weights *big.Int) []*big.Int {
	if weights.Sign() == 0 {
		return parts
	}
	rests := make([]*big.Int, len(shares))
	var weighted []int
	over := left
	for i, s := range shares {
		if s.Weight != 0 {
			product := new(big.Int).Mul(left, new(big.Int).SetUint64(s.Weight))
			parts[i], rests[i] = new(big.Int).DivMod(product, weights, new(big.Int))
			over = minus(over, parts[i])
			weighted = append(weighted, i)
		}
	}
	slices.SortStableFunc(weighted, func(a, b int) int { return rests[b].Cmp(rests[a]) })
	for i := range int(over.Int64()) {
		parts[weighted[i]] = plus(parts[weighted[i]], big.NewInt(1))
	}
	return parts
}
