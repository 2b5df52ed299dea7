package ledger_test

import (
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/reflect/protoreflect"

	pb "acquired/proto/acquired/v1"
)

// depth is a step of a hold, document or step of which others were made before.
type depth struct {
	name, step, after string
	times             int
}

var depths = []depth{
	{"second capture", "capture", "capture", 1},
	{"capture after extend", "capture", "extend", 1},
	{"receipt of several captures", "issue_receipt", "capture", 2},
	{"refund after refund", "refund", "refund", 1},
	{"refund of a capture", "refund", "itself a capture", 1},
	{"cash after cash", "cash_cheque", "cash_cheque", 1},
	{"payment after payment", "pay_invoice", "pay_invoice", 1},
	{"payment after credit note", "pay_invoice", "credit_invoice", 1},
}

// The other things that are to be met often.
const (
	sharedCapture = "capture with shares"
	refundOfRest  = "refund of the rest after a refund"
	thawed        = "thawed again"
)

// noteDepths counts what is deep of a request that was made.
func (r *referenceRun) noteDepths(s *sending, result *pb.OpResponse) {
	for i, step := range s.request.(*pb.OpRequest).Steps {
		made := result.Results[i]
		nothingMoved := made.Amount != "" && strings.Trim(made.Amount, "0.") == ""
		if kind := kindOf(step); kind != "guard" && !made.Existing && !nothingMoved {
			r.noteDepth(step, kind)
		}
	}
}

func (r *referenceRun) noteDepth(step *pb.Step, kind string) {
	body, id := stepOf(step)
	r.made[id] = append(r.made[id], "itself a "+kind)
	on := ""
	for _, name := range []protoreflect.Name{"hold", "cheque", "invoice", "of"} {
		if f := body.ProtoReflect().Descriptor().Fields().ByName(name); f != nil && f.Kind() == protoreflect.StringKind {
			on = body.ProtoReflect().Get(f).String()
		}
	}
	for _, d := range depths {
		if d.step == kind && count(r.made[on], d.after) >= d.times {
			r.met[d.name]++
		}
	}
	if refund := step.GetRefund(); refund != nil && slices.Contains(r.made[on], kind) && r.plain.isRest(refund) {
		r.met[refundOfRest]++
	}
	if len(step.GetCapture().GetShares()) > 0 {
		r.met[sharedCapture]++
	}
	r.made[on] = append(r.made[on], kind)
}

func count(all []string, of string) (n int) {
	for _, s := range all {
		if s == of {
			n++
		}
	}
	return n
}

// isRest says whether nothing is left of what a refund gave back.
func (l *plainLedger) isRest(p *pb.Refund) bool {
	e := l.entries[slices.IndexFunc(l.entries, func(e plainEntry) bool { return e.id == p.Id && e.kind == "refund" })]
	return slices.ContainsFunc(l.movesOf(p.Of), func(m plainMove) bool {
		return m.debit == e.credit && m.credit == e.debit && m.amount.Cmp(l.refunded(p.Of, m)) == 0
	})
}

// wantOften fails when there were fewer steps of a kind, or fewer that are deep, than
// these, in a run that is not shortened.
func (m happened) wantOften(t *testing.T, ofKind, deep int) {
	t.Helper()
	want := map[string]int{sharedCapture: deep, refundOfRest: deep, thawed: deep, "guard made": ofKind}
	for _, kind := range allKinds {
		want[kind+" made"] = ofKind
	}
	for _, d := range depths {
		want[d.name] = deep
	}
	for what, least := range want {
		if m["requests"] > 3000 && m[what] < least {
			t.Errorf("%s: %d times in %d requests, want %d or more", what, m[what], m["requests"], least)
		}
	}
}
