package ledger_test

import (
	"math/big"
	"slices"

	"google.golang.org/protobuf/proto"

	pb "acquired/proto/acquired/v1"
)

// opRequest draws an op. Most are of steps that can be made one after the other, the
// others of steps as they come.
func (a *artist) opRequest() *pb.OpRequest {
	if old := a.opAgain(); old != nil {
		return old
	}
	if a.sometimes(3, "as it comes") {
		return a.anyOp()
	}
	before := a.plainLedger
	defer func() { a.plainLedger = before }()
	req := &pb.OpRequest{}
	for range one(a, "steps", 1, 2, 3, 3, 4, 5) {
		if a.sometimes(12, "guard") {
			a.addMade(req, func() *pb.Step { return &pb.Step{Step: &pb.Step_Guard{Guard: a.guard()}} })
		}
		kind := a.kind()
		if s := a.addMade(req, func() *pb.Step { return a.step(kind) }); s != nil {
			a.sent = append(a.sent, s)
		}
	}
	return req
}

// anyOp draws an op of any steps.
func (a *artist) anyOp() *pb.OpRequest {
	req := &pb.OpRequest{}
	for range one(a, "steps", 1, 1, 1, 1, 2, 2, 3, 4) {
		if a.sometimes(6, "guard") {
			req.Steps = append(req.Steps, &pb.Step{Step: &pb.Step_Guard{Guard: a.guard()}})
		}
		s := a.again("")
		if s.Step == nil {
			s = a.step(a.kind())
		}
		a.sent = append(a.sent, s)
		req.Steps = append(req.Steps, s)
	}
	return req
}

// addMade draws a few times until a step can be made after those of the op, and adds
// it. The first of an op is added anyhow.
func (a *artist) addMade(req *pb.OpRequest, draw func() *pb.Step) *pb.Step {
	const tries = 5
	for try := 1; ; try++ {
		s := draw()
		made := a.canMake(s)
		if made || try == tries && len(req.Steps) == 0 {
			req.Steps = append(req.Steps, s)
			return s
		}
		if try == tries {
			return nil
		}
	}
}

// canMake says whether a step can be made after those that were, and makes it.
func (a *artist) canMake(s *pb.Step) bool {
	if malformedStep(s) {
		return false
	}
	next := a.clone()
	if _, f := (&plainRun{plainLedger: next, caller: a.caller}).step(s); f != nil {
		return false
	}
	a.plainLedger = next
	return true
}

// opAgain draws an op of steps that stand, one in a while, or nil.
func (a *artist) opAgain() *pb.OpRequest {
	if len(a.sent) == 0 || !a.sometimes(10, "an old op") {
		return nil
	}
	req := &pb.OpRequest{}
	for range a.from(1, 3, "steps") {
		s := proto.CloneOf(one(a, "sent", a.sent...))
		if t := s.GetTransfer(); t != nil {
			t.Linked = false
		}
		req.Steps = append(req.Steps, s)
	}
	return req
}

// kind draws the kind of a step for which there is something.
func (a *artist) kind() string {
	kind := one(a, "kind", a.kinds...)
	if a.sometimes(40, "anyhow") {
		return kind
	}
	switch kind {
	case "capture", "release", "issue_receipt":
		if len(a.openHolds(a.canCapture)) == 0 {
			return "hold"
		}
	case "extend":
		if len(a.openHolds(a.canExtend)) == 0 {
			return "hold"
		}
	case "cash_cheque", "cancel_cheque":
		if len(a.openDocuments("cheque", a.ofUse(kind))) == 0 {
			return "write_cheque"
		}
	case "pay_invoice", "credit_invoice", "void_invoice":
		if len(a.openDocuments("invoice", a.ofUse(kind))) == 0 {
			return "issue_invoice"
		}
	}
	return kind
}

func (a *artist) guard() *pb.Guard {
	switch one(a, "guard", "balance", "balance", "version", "document", "time") {
	case "balance":
		p := a.path("account", "")
		return &pb.Guard{Guard: &pb.Guard_Balance{Balance: &pb.BalanceGuard{
			Account: p, AtLeast: one(a, "sign", "", "-", "-") + a.amount("at least", a.assetOf(p)),
		}}}
	case "version":
		p := a.path("account", "")
		version := uint64(a.from(0, 9, "version"))
		if i, ok := a.at[plainPath(p)]; ok && !a.sometimes(4, "another version") {
			version = a.accounts[i].version
		}
		return &pb.Guard{Guard: &pb.Guard_Version{Version: &pb.VersionGuard{Account: p, Version: version}}}
	case "document":
		id := a.document("document", "")
		if a.sometimes(2, "a hold") {
			id = a.hold(a.canExtend)
		}
		state, there := a.stateOf(id)
		if !there || a.sometimes(4, "another state") {
			state = one(a, "state", "open", "captured", "spent", "paid", "final", "overdue", "x")
		}
		return &pb.Guard{Guard: &pb.Guard_Document{Document: &pb.DocumentGuard{Document: id, State: state}}}
	}
	return &pb.Guard{Guard: &pb.Guard_NotAfterUnixNanos{NotAfterUnixNanos: a.now + one(a, "from now", int64(-1), 5, 10, 10, 10)*plainSecond}}
}

// step draws a step of the kind.
func (a *artist) step(kind string) *pb.Step {
	switch kind {
	case "transfer":
		return &pb.Step{Step: &pb.Step_Transfer{Transfer: a.transfer()}}
	case "hold":
		return &pb.Step{Step: &pb.Step_Hold{Hold: a.holdStep()}}
	case "capture":
		return &pb.Step{Step: &pb.Step_Capture{Capture: a.capture()}}
	case "release":
		r := &pb.ReleaseHold{Id: a.id(), Hold: a.hold(a.canCapture)}
		r.Amount = a.ofHold("amount", r.Hold)
		return &pb.Step{Step: &pb.Step_Release{Release: r}}
	case "extend":
		return &pb.Step{Step: &pb.Step_Extend{Extend: a.extendStep()}}
	}
	return a.documentStep(kind)
}

// canCapture says whether the caller may capture of the hold, and release it.
func (a *artist) canCapture(h *plainHold) bool {
	_, f := (&plainRun{plainLedger: a.plainLedger, caller: a.caller}).held(h.id)
	return f == nil
}

// canExtend says whether the caller may extend the hold.
func (a *artist) canExtend(h *plainHold) bool {
	return a.caller.may(a.plainLedger, "Spend", a.accounts[h.debit].path) == ""
}

// openHolds gives the open holds that are of use. Those of which something happened
// already are there more than once, so that more happens of them.
func (a *artist) openHolds(ofUse func(*plainHold) bool) (all []string) {
	for _, id := range a.holdOrder {
		if h := a.holds[id]; h.ended == "" && ofUse(&h) {
			all = append(all, id)
			for i := len(a.entries) - 1; i >= 0 && len(all) < 100; i-- {
				if a.entries[i].hold == id {
					all = append(all, id)
				}
			}
		}
	}
	return all
}

// hold draws a hold, mostly an open one that is of use.
func (a *artist) hold(ofUse func(*plainHold) bool) string {
	if open := a.openHolds(ofUse); len(open) > 0 && !a.sometimes(12, "any hold") {
		return one(a, "hold", open...)
	}
	return one(a, "any hold", append(slices.Clone(a.holdOrder), "nothing")...)
}

// expiry draws when something that lives for a while ends.
func (a *artist) expiry() (expires int64, lifetime uint64) {
	switch a.from(0, 9, "ends") {
	case 0, 1, 2:
		return 0, 0
	case 3, 4:
		return a.now + int64(a.from(1, 60, "in seconds"))*plainSecond, 0
	case 5:
		if a.sometimes(4, "oddly") {
			return one(a, "odd expiry", a.now, a.now-plainSecond, a.now+plainTenYears*plainSecond+3600*plainSecond),
				one(a, "odd lifetime", uint64(0), 0, 5)
		}
	}
	return 0, uint64(a.from(1, 60, "lifetime"))
}

func (a *artist) principal() string {
	return one(a, "principal", a.caller.principal, a.caller.principal, a.caller.principal, "/user/alice", "")
}

func (a *artist) holdStep() *pb.PlaceHold {
	h := &pb.PlaceHold{Id: a.id(), Debit: a.account("debit", "", a.canReserve), Delegate: a.principal(), Description: a.description()}
	asset := a.assetOf(h.Debit)
	h.Credit = a.account("credit", asset, a.canTake, h.Debit)
	h.Amount = a.within("amount", asset, a.reservable(h.Debit))
	h.ExpiresUnixNanos, h.LifetimeSeconds = a.expiry()
	return h
}

// reservable is what a hold may reserve of the account at a path; nil is no bound.
func (a *artist) reservable(path string) *big.Int {
	i, ok := a.at[plainPath(path)]
	if !ok {
		return nil
	}
	return a.accounts[i].reservable(a.accounts[i].holdOverdraft, a.now)
}

func (a *artist) assetOfHold(id string) string {
	if h, ok := a.holds[id]; ok {
		return a.accounts[h.debit].asset
	}
	return "USD"
}

// ofHold draws an amount of what remains of a hold, which may be left out.
func (a *artist) ofHold(label, id string) string {
	switch h, ok := a.holds[id]; {
	case a.sometimes(6, label+" is left out"):
		return ""
	case ok && !a.sometimes(12, label+" is whatever"):
		return a.within(label, a.assetOfHold(id), h.remaining())
	}
	return a.amount(label, a.assetOfHold(id))
}

// somePart draws more than nothing, mostly of what there is, or leaves it out.
func (a *artist) somePart(label, asset string, bound *big.Int) string {
	if a.sometimes(3, label+" is left out") {
		return ""
	}
	return a.within(label, asset, bound)
}

func (a *artist) capture() *pb.CaptureHold {
	c := &pb.CaptureHold{Id: a.id(), Hold: a.hold(a.canCapture), EffectiveUnixNanos: a.effective(), Description: a.description()}
	asset := a.assetOfHold(c.Hold)
	c.Amount = a.ofHold("amount", c.Hold)
	c.Final = a.sometimes(6, "final")
	if a.sometimes(2, "shares") {
		var payer []string
		if h, ok := a.holds[c.Hold]; ok && !a.sometimes(20, "the payer gets a share") {
			payer = append(payer, a.accounts[h.debit].path)
		}
		c.Shares = a.shares(asset, "2", payer...)
		if c.Amount == "" && hasFixed(c.Shares) && !a.sometimes(10, "all in fixed shares") {
			c.Amount = "2"
		}
	}
	return c
}

func (a *artist) extendStep() *pb.ExtendHold {
	x := &pb.ExtendHold{Id: a.id(), Hold: a.hold(a.canExtend)}
	var bound *big.Int
	if h, ok := a.holds[x.Hold]; ok {
		bound = a.accounts[h.debit].reservable(h.overdraft, a.now)
	}
	x.Amount = a.somePart("amount", a.assetOfHold(x.Hold), bound)
	if x.Amount == "" && !a.sometimes(20, "by nothing") || a.sometimes(2, "longer") {
		x.ExpiresUnixNanos = a.holds[x.Hold].expires + one(a, "by", int64(5), 5, 5, 5, 5, 0, plainTenYears)*plainSecond
	}
	return x
}
