package ledger_test

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	"acquired/fsm/path"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// TestAgreesWithTheReference compares every answer, and after every step all that
// there is, with those of the reference, over random requests of every kind.
//
// ACQUIRED_LONG=1 makes a hundred times as many.
func TestAgreesWithTheReference(t *testing.T) {
	t.Parallel()
	met := make(happened)
	checkReference(t, func(t *rapid.T) *referenceRun { return newReferenceRun(t, met) })
	met.check(t)
	met.wantOften(t, 65, 18)
}

// TestAgreesOnWhoMay is TestAgreesWithTheReference with a second caller, who may not
// do or see everything.
func TestAgreesOnWhoMay(t *testing.T) {
	t.Parallel()
	met := make(happened)
	checkReference(t, func(t *rapid.T) *referenceRun {
		r := newReferenceRun(t, met)
		r.addAlice()
		return r
	})
	met.check(t, "refused as denied", "replaced")
	met.wantOften(t, 30, 10)
}

// addAlice adds a caller who sees nothing of /account/unit, may Read what is below
// three other paths, and Spend below two.
func (r *referenceRun) addAlice() {
	const alice = "/user/alice"
	client := r.machine.Principal(alice)
	born := r.machine.Position().Index
	r.machine.Clause("/account", command.View)
	r.machine.Clause("/account/unit", command.View, "/role/none")
	rights := map[string][]string{"Read": {"/account/a", "/account/b", "/account/full"}, "Spend": {"/account/a", "/account/grid"}}
	for _, at := range rights["Read"] {
		r.machine.Clause(path.Path(at), command.Read)
	}
	for _, at := range rights["Spend"] {
		r.machine.Clause(path.Path(at), command.Spend)
	}
	r.next()
	r.plain.people[alice] = born
	r.callers = append(r.callers, sender{client, plainCaller{
		principal: alice,
		may: func(l *plainLedger, operation, at string) fault.Kind {
			if _, there := l.at[at]; !there || cover("/account/unit", at) {
				return fault.NotFound
			}
			if slices.ContainsFunc(rights[operation], func(top string) bool { return cover(top, at) }) {
				return ""
			}
			return fault.Denied
		},
	}})
}

// replaceAlice gives her name to another, who may do as much and has no part in what
// names her.
func (r *referenceRun) replaceAlice(t *rapid.T) {
	const alice = "/user/alice"
	if len(r.callers) < 2 || r.draw(t).sometimes(2, "she stays") {
		t.Skip("nobody is replaced")
	}
	r.machine.Remove(alice)
	r.next()
	r.callers[1].Client = r.machine.Principal(alice)
	r.next()
	r.plain.people = map[string]uint64{"/user/operator": r.plain.people["/user/operator"], alice: r.plain.index}
	r.met["replaced"]++
}

// checkReference makes runs, each of some fifty steps.
func checkReference(t *testing.T, begin func(*rapid.T) *referenceRun) {
	t.Helper()
	rounds, repeats := 1, 2
	if os.Getenv("ACQUIRED_LONG") == "1" {
		rounds, repeats = 25, 8
	}
	for range rounds {
		rapid.Check(t, func(t *rapid.T) {
			r := begin(t)
			for range repeats {
				t.Repeat(map[string]func(*rapid.T){"": r.compareAll, "step": r.step})
			}
			r.end(t)
		})
	}
}

// referenceRun drives a machine and the reference with the same requests.
type referenceRun struct {
	machine *fsmtest.Machine
	plain   *plainLedger
	met     happened
	// made are the kinds of steps that were made, by the hold, document or step that
	// they name.
	made map[string][]string
	// callers send what moves money.
	callers []sender
	artist  artist
	sent    []sentBefore
	// compared is how many entries were compared with the journal, cursor where it
	// goes on.
	compared int
	cursor   string
	// audited are the lines that the audit must have behind auditCursor; lines and
	// hashes are those before.
	audited     []*pb.AuditLine
	auditCursor string
	lines       int
	hashes      map[string]bool
	// before is what the ledger said of itself last.
	before  *books
	tallies *tallies
	// chainedTo is how far the audit log chains.
	chainedTo ledger.ChainEnd
	// steps counts how often all was looked at.
	steps int
}

// sender is a caller, to both ledgers.
type sender struct {
	*fsmtest.Client
	plainCaller
}

// sentBefore is a request that was answered.
type sentBefore struct {
	command *statev1.Command
	result  fsm.Result
	time    int64
}

// allKinds are the steps of ops, the more important more than once.
var allKinds = []string{
	"transfer", "transfer", "hold", "capture", "capture", "capture", "release", "release", "extend", "extend",
	"refund", "refund", "refund", "exchange", "exchange",
	"write_cheque", "cash_cheque", "cash_cheque", "cash_cheque", "cash_cheque", "cancel_cheque", "cancel_cheque",
	"issue_invoice", "pay_invoice", "pay_invoice", "credit_invoice", "credit_invoice", "credit_invoice",
	"void_invoice", "void_invoice", "void_invoice", "issue_receipt", "issue_receipt",
}

func newReferenceRun(t *rapid.T, met happened) *referenceRun {
	r := &referenceRun{
		machine: fsmtest.New(t), plain: newPlainLedger(), met: met, made: make(map[string][]string),
		hashes: make(map[string]bool), before: newBooksOf(), tallies: newTallies(),
	}
	r.callers = []sender{{r.machine.Operator, plainCaller{
		principal: "/user/operator", operator: true, may: func(*plainLedger, string, string) fault.Kind { return "" },
	}}}
	r.artist = artist{kinds: allKinds, caller: r.callers[0].plainCaller}
	r.machine.Leaf("/user/operator")
	r.next()
	r.plain.people["/user/operator"] = r.plain.index
	for _, req := range plainScales {
		r.send(t, r.createAsset(req))
	}
	for _, req := range plainBanks {
		r.send(t, r.openAccount(req))
	}
	r.send(t, r.transfer(r.callers[0], openings()))
	return r
}

// sending is a request with what the reference makes of it, and how the answers
// compare when it is not refused.
type sending struct {
	command *statev1.Command
	request proto.Message
	plainly func(*plainLedger) *plainFault
	compare func(t *rapid.T, answer proto.Message)
}

// step draws something to do, most of it requests.
func (r *referenceRun) step(t *rapid.T) {
	a := r.draw(t)
	one(a, "step",
		r.sendSome, r.sendSome, r.sendSome, r.sendSome, r.sendSome, r.sendSome, r.sendSome, r.sendSome, r.sendSome, r.sendSome,
		r.sendSome, r.sendSome, r.wait, r.wait, r.sendAgain, r.replaceAlice,
		r.compareLookup, r.compareLists, r.compareAccounts, r.comparePeriods, r.compareJournalOf,
	)(t)
}

// sendSome draws the commands of an entry of the log: mostly one.
func (r *referenceRun) sendSome(t *rapid.T) {
	a := r.draw(t)
	var all []*sending
	for range one(a, "commands", 1, 1, 1, 1, 1, 2, 3) {
		all = append(all, one(a, "request",
			r.drawAsset, r.drawOpen, r.drawOpen, r.drawChange, a.closing(r), r.drawPeriod,
			r.drawTransfers, r.drawTransfers, r.drawTransfers, r.drawOp,
			r.drawOp, r.drawOp, r.drawOp, r.drawOp, r.drawOp, r.drawOp, r.drawOp, r.drawOp, r.drawOp, r.drawOp, r.drawOp,
		)(a))
	}
	r.send(t, all...)
}

// send applies the requests as one entry of the log, to both ledgers.
func (r *referenceRun) send(t *rapid.T, all ...*sending) {
	t.Helper()
	var commands []*statev1.Command
	for _, s := range all {
		t.Logf("%v", s.request)
		commands = append(commands, s.command)
	}
	again := r.again(t, len(all))
	for _, was := range again {
		commands = append(commands, was.command)
	}
	hash, due := r.machine.Hash(), r.plain.due()
	results := r.machine.Apply(commands...)
	r.next()
	for i, was := range again {
		was.wantAgain(t, results[len(all)+i])
	}
	refused := r.plain.now < due
	for i, s := range all {
		r.sent = append(r.sent, sentBefore{s.command, results[i], r.plain.now})
		f := r.try(s, results[i])
		wantFault(t, s.request, results[i].Err, f)
		refused = refused && f != nil
	}
	if refused && r.machine.Hash() != hash {
		t.Fatalf("9: what was refused changed the state hash")
	}
	r.compareJournal(t)
	r.plain.seal()
	for i, s := range all {
		if results[i].Err == nil && s.compare != nil {
			s.compare(t, results[i].Response)
		}
		if results[i].Err == nil {
			r.tallies.checkMoved(t, s.request, results[i].Response)
		}
	}
}

// next brings the reference to the log time of the machine.
func (r *referenceRun) next() {
	r.plain.index, r.plain.now = r.machine.Position().Index, r.machine.Position().Time
	first := len(r.plain.entries)
	if r.plain.expire(); len(r.plain.entries) > first {
		r.audited = append(r.audited, &pb.AuditLine{
			Index: r.plain.index, UnixNanos: r.plain.now, Principal: "/system", Command: "ledger.expire",
			Entries: uint32(len(r.plain.entries) - first),
		})
	}
}

// try does a request to the reference, which a refusal leaves as it was but for
// what it keeps of refusals.
func (r *referenceRun) try(s *sending, result fsm.Result) *plainFault {
	next, first, frozen := r.plain.clone(), len(r.plain.entries), len(r.plain.frozen())
	f := s.plainly(next)
	if f == nil {
		r.plain = next
	} else {
		r.plain.refusals = next.refusals
	}
	if f != nil || changes(s.request, result.Response) {
		r.noteAudit(s.command, result, first)
	}
	if (f == nil) != (result.Err == nil) {
		return f
	}
	r.met.note(s.request, result.Response, f)
	if made, ok := result.Response.(*pb.OpResponse); ok {
		r.noteDepths(s, made)
	}
	if len(r.plain.frozen()) < frozen {
		r.met[thawed]++
	}
	return f
}

// changes says whether what was answered so changed anything, or was refused in
// part.
func changes(request, answer proto.Message) bool {
	switch answer := answer.(type) {
	case *pb.TransferResponse:
		return answer.Created > 0 || len(answer.Failed) > 0
	case *pb.OpResponse:
		for i, step := range request.(*pb.OpRequest).Steps {
			if made := answer.Results[i]; !made.Existing && made.Index != 0 && step.GetGuard() == nil {
				return true
			}
		}
		return false
	}
	return true
}

func (r *referenceRun) draw(t *rapid.T) *artist {
	r.artist.T, r.artist.plainLedger = t, r.plain
	return &r.artist
}

func (r *referenceRun) createAsset(req *pb.CreateAssetRequest) *sending {
	return &sending{
		command: fsmtest.Command(r.machine.Operator, ledger.CreateAsset, req), request: req,
		plainly: func(l *plainLedger) *plainFault { return l.createAsset(req) },
	}
}

func (r *referenceRun) drawAsset(a *artist) *sending {
	return r.createAsset(&pb.CreateAssetRequest{Code: one(a, "code", "USD", "TINY"), Scale: uint32(a.from(0, 18, "scale"))})
}

func (r *referenceRun) openAccount(req *pb.OpenAccountRequest) *sending {
	return &sending{
		command: fsmtest.Command(r.machine.Operator, ledger.OpenAccount, req), request: req,
		plainly: func(l *plainLedger) *plainFault { return l.openAccount(req) },
	}
}

func (r *referenceRun) drawOpen(a *artist) *sending { return r.openAccount(a.openRequest()) }

func (r *referenceRun) drawChange(a *artist) *sending { return r.changeAccount(a.changeRequest()) }

func (r *referenceRun) changeAccount(req *pb.ChangeAccountRequest) *sending {
	version := uint64(0)
	return &sending{
		command: fsmtest.Command(r.machine.Operator, ledger.ChangeAccount, req), request: req,
		plainly: func(l *plainLedger) *plainFault {
			f := l.changeAccount(req)
			if f == nil {
				version = l.accounts[l.at[plainPath(req.Path)]].version
			}
			return f
		},
		compare: func(t *rapid.T, answer proto.Message) {
			compareAnswer(t, req, answer, proto.Message(&pb.ChangeAccountResponse{Index: r.plain.index, Version: version}))
		},
	}
}

// closing closes accounts in a while, and otherwise changes them.
func (a *artist) closing(r *referenceRun) func(*artist) *sending {
	if a.sometimes(4, "close") {
		return r.drawClose
	}
	return r.drawChange
}

func (r *referenceRun) drawClose(a *artist) *sending {
	req := &pb.CloseAccountRequest{Path: a.path("path", "")}
	return &sending{
		command: fsmtest.Command(r.machine.Operator, ledger.CloseAccount, req), request: req,
		plainly: func(l *plainLedger) *plainFault { return l.closeAccount(req) },
	}
}

func (r *referenceRun) drawPeriod(a *artist) *sending {
	req := a.periodRequest()
	return &sending{
		command: fsmtest.Command(r.machine.Operator, ledger.ClosePeriod, req), request: req,
		plainly: func(l *plainLedger) *plainFault { return l.closePeriod(req, "/user/operator") },
	}
}

func (r *referenceRun) drawTransfers(a *artist) *sending {
	by := one(a, "caller", r.callers...)
	a.caller = by.plainCaller
	return r.transfer(by, a.transferRequest())
}

func (r *referenceRun) transfer(by sender, req *pb.TransferRequest) *sending {
	var want *pb.TransferResponse
	return &sending{
		command: fsmtest.Command(by.Client, ledger.Transfer, req), request: req,
		plainly: func(l *plainLedger) (f *plainFault) {
			want, f = l.transfers(by.plainCaller, req)
			return f
		},
		compare: func(t *rapid.T, answer proto.Message) {
			got := answer.(*pb.TransferResponse)
			for i, f := range got.Failed[:min(len(got.Failed), len(want.Failed))] {
				want.Failed[i].Message = f.Message // it is for people
			}
			compareAnswer(t, req, got, want)
		},
	}
}

func (r *referenceRun) drawOp(a *artist) *sending {
	by := one(a, "caller", r.callers...)
	a.caller = by.plainCaller
	req := a.opRequest()
	var want *pb.OpResponse
	return &sending{
		command: fsmtest.Command(by.Client, ledger.Op, req), request: req,
		plainly: func(l *plainLedger) (f *plainFault) {
			want, f = l.op(by.plainCaller, req)
			return f
		},
		compare: func(t *rapid.T, answer proto.Message) {
			for i, made := range want.Results {
				if made.Hash == toLearn {
					_, id := stepOf(req.Steps[i])
					made.Hash = r.plain.documents[id].hash
				}
			}
			compareAnswer(t, req, answer.(*pb.OpResponse), want)
		},
	}
}

// wait lets time go by, so that things end.
func (r *referenceRun) wait(t *rapid.T) {
	a := r.draw(t)
	nanos := int64(a.from(0, 8, "seconds")) * plainSecond
	left := r.plain.due() - r.plain.now - r.machine.EntryNanos // until a hold expires with the next entry
	switch {
	case left >= 0 && left < plainTenYears*plainSecond && a.sometimes(3, "until a hold expires"):
		nanos = max(0, left-int64(a.from(0, 1, "just before")))
	case a.sometimes(6, "a day"):
		nanos = one(a, "long", int64(3000), 24*3600, 24*3600, 8*24*3600) * plainSecond
	}
	r.machine.Wait(nanos)
	r.send(t)
}

// again draws a request of before to be sent with others, if the answer to one must be
// remembered. After a wait, with nothing else to be sent, it may be forgotten.
func (r *referenceRun) again(t *rapid.T, others int) []sentBefore {
	remembered := r.sent
	for len(remembered) > 0 && remembered[0].time+fsm.AnswerAge <= r.plain.now+r.machine.EntryNanos {
		remembered = remembered[1:]
	}
	if others == 0 || len(remembered) == 0 {
		return nil
	}
	return []sentBefore{one(r.draw(t), "again", remembered...)}
}

// wantAgain is invariant 8: what is sent again under its id is answered as it was.
func (was *sentBefore) wantAgain(t *rapid.T, result fsm.Result) {
	t.Helper()
	if result.Index != was.result.Index || !bytes.Equal(result.Body, was.result.Body) || fmt.Sprint(result.Err) != fmt.Sprint(was.result.Err) {
		t.Fatalf("8: %v sent again gives %+v, at first it gave %+v", was.command, result, was.result)
	}
}

// sendAgain sends nothing but a request of before.
func (r *referenceRun) sendAgain(t *rapid.T) {
	again := r.again(t, 1)
	if again == nil {
		t.Skip("the answers may be forgotten")
	}
	hash, due := r.machine.Hash(), r.plain.due()
	result := r.machine.Apply(again[0].command)[0]
	r.next()
	again[0].wantAgain(t, result)
	if r.plain.now < due && r.machine.Hash() != hash {
		t.Fatalf("8: what was sent again changed the state hash")
	}
}

// happened counts what happened over all runs of a test.
type happened map[string]int

// note counts the steps that were made, and the kinds of refusals.
func (m happened) note(request, answer proto.Message, f *plainFault) {
	m["requests"]++
	if f != nil {
		m["refused as "+string(f.kind)]++
		return
	}
	op, ok := request.(*pb.OpRequest)
	if !ok {
		return
	}
	for i, s := range answer.(*pb.OpResponse).Results {
		if s.Existing {
			m["standing"]++
		} else {
			m[kindOf(op.Steps[i])+" made"]++
		}
	}
}

// check fails when enough was tried and something never happened: then the requests
// are drawn badly, or it cannot be done.
func (m happened) check(t *testing.T, more ...string) {
	t.Helper()
	for _, what := range slices.Sorted(maps.Keys(m)) {
		t.Logf("%s: %d", what, m[what])
	}
	wanted := append([]string{"standing", "guard made"}, more...)
	for _, kind := range allKinds {
		wanted = append(wanted, kind+" made")
	}
	for _, kind := range []fault.Kind{fault.Invalid, fault.NotFound, fault.Exists, fault.Conflict, fault.Insufficient, fault.Exhausted} {
		wanted = append(wanted, "refused as "+string(kind))
	}
	for _, what := range wanted {
		if m["requests"] > 3000 && m[what] == 0 {
			t.Errorf("%s: never, in %d requests", what, m["requests"])
		}
	}
}
