package ledger

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// clip makes a text one that can be shown, and keeps it short, at a whole
// character.
func clip(s string, most int) string {
	s = strings.Map(func(r rune) rune {
		if r < ' ' || r >= 0x7f && r < 0xa0 || r == utf8.RuneError {
			return '?'
		}
		return r
	}, s)
	if len(s) <= most {
		return s
	}
	at := most - len("...")
	for at > 0 && s[at]&0xc0 == 0x80 {
		at--
	}
	return s[:at] + "..."
}

// named gives the paths of accounts among the strings, each once.
func named(all ...string) (paths []path.Path) {
	met := make(map[path.Path]struct{})
	for _, s := range all {
		p, err := accountPath(s)
		if _, again := met[p]; err != nil || again {
			continue
		}
		met[p] = struct{}{}
		paths = append(paths, p)
	}
	return paths
}

func describeTransfers(all []*pb.Transfer) string {
	switch len(all) {
	case 0:
		return "no transfers"
	case 1:
		return "transfer " + all[0].Id
	}
	return strconv.Itoa(len(all)) + " transfers, the first " + all[0].Id
}

// detailsOfTransfers says what the transfers say, as far as there is room.
func detailsOfTransfers(all []*pb.Transfer) string {
	var b []byte
	for _, t := range all {
		if len(b) > maxAuditDetails {
			break
		}
		b = appendDetails(b, t)
	}
	return string(b)
}

// accountsQuoted gives the accounts that the details of a list name: of shares, and of
// more who pay, these say only how many there are.
func accountsQuoted(all []*pb.Transfer) []path.Path {
	var found []string
	for _, t := range all[:min(len(all), maxQuoted)] {
		found = append(found, t.Debit, t.Credit)
	}
	return named(found...)
}

// accountsOfTransfers gives the accounts that transfers name.
func accountsOfTransfers(all []*pb.Transfer) []path.Path {
	var found []string
	for _, t := range all {
		found = append(append(found, payersOf(t)...), t.Credit)
		for _, s := range t.Shares {
			found = append(found, s.Credit)
		}
	}
	return named(found...)
}

// accountsOfRefused gives the account that the refusal of a list names, and those of the
// first transfers of it.
func accountsOfRefused(all []*pb.Transfer, refusal *fault.Fault) []path.Path {
	paths := joined(named(refusal.Details["path"]), accountsOfTransfers(all[:min(len(all), maxAuditRefused+1)]))
	return paths[:min(len(paths), maxRefusedAccounts)]
}

// joined gives the paths of two lists, each once. The first list is short.
func joined(some, more []path.Path) []path.Path {
	return append(some, slices.DeleteFunc(more, func(p path.Path) bool { return slices.Contains(some, p) })...)
}

// describeSteps lists the kinds and ids of the steps, as far as there is room.
func describeSteps(all []*pb.Step) string {
	what := ""
	for _, s := range all {
		if len(what) > maxAuditText {
			break
		}
		if what != "" {
			what += ", "
		}
		what += nameOf(s)
		if _, body := kindOf(s); body != nil {
			what += " " + body.GetId()
		}
	}
	return what
}

// detailsOfSteps is detailsOfTransfers for steps.
func detailsOfSteps(all []*pb.Step) string {
	var b []byte
	for _, s := range all {
		if len(b) > maxAuditDetails {
			break
		}
		if kind, body := kindOf(s); kind != nil {
			b = appendDetails(b, body)
		}
	}
	return string(b)
}

// appendDetails appends what a step says, behind those before it: "ID: FIELD VALUE,
// FIELD VALUE".
func appendDetails(b []byte, body identified) []byte {
	if len(b) > 0 {
		b = append(b, "; "...)
	}
	return appendFields(append(append(b, body.GetId()...), ':'), body.ProtoReflect(), " ")
}

// describe says what is done to an account: "change PATH, FIELD VALUE".
func describe(what, at string, request proto.Message) string {
	return string(appendFields([]byte(what+" "+at), request.ProtoReflect(), ", "))
}

// appendFields appends the fields that are set, but for what names the thing.
func appendFields(b []byte, m protoreflect.Message, between string) []byte {
	for _, f := range ordered[m.Descriptor()] {
		if f.Name() == "id" || f.Name() == "path" || !m.Has(f) {
			continue
		}
		b = append(append(append(b, between...), f.Name()...), ' ')
		b = appendValueText(b, f, m.Get(f))
		between = ", "
	}
	return b
}

// appendValueText appends the value of a field, and of a list how long it is.
func appendValueText(b []byte, f protoreflect.FieldDescriptor, v protoreflect.Value) []byte {
	switch {
	case f.IsList():
		return append(strconv.AppendInt(append(b, '['), int64(v.List().Len()), 10), ']')
	case f.Kind() == protoreflect.StringKind && !isWord(v.String()):
		return append(b, quote(v.String())...) // so that no text looks like a field
	}
	return append(b, v.String()...)
}

func isWord(s string) bool {
	for i := range len(s) {
		if !inID(s[i]) {
			return false
		}
	}
	return s != ""
}

// foremost gives the first of some of a list, the one that was refused before the others,
// so that nothing put in front hides it from those whose account it was about.
func foremost[S any](all, some []S, refusal *fault.Fault) []S {
	some = some[:min(len(some), maxAuditRefused)]
	if at, ok := positionOf(refusal, len(all)); ok {
		return append([]S{all[at]}, some...)
	}
	return some
}

// accountsOfSteps gives the accounts that steps are about: those that they name, and
// those of the holds and documents that they name.
//
// Those of shares are the last: there may be many, of accounts that there are not.
func accountsOfSteps(r kv.Reader, all []*pb.Step) []path.Path {
	var found, shares []string
	for _, s := range all {
		kind, body := kindOf(s)
		if kind == nil {
			continue
		}
		for _, id := range kind.behind(r, body) {
			found = append(found, string(accountOf(r, id).path))
		}
		found, shares = appendAccounts(found, shares, body.ProtoReflect())
	}
	return named(append(found, shares...)...)
}

// accountFields are the fields of steps that name accounts. That of a list of shares
// has such fields.
var accountFields = map[protoreflect.Name]bool{
	"debit": true, "then_debit": true, "credit": true, "shares": true, "broker_debit": true, "broker_credit": true,
	"account": true, "receivable": true, "revenue": true, "payer": true,
}

// appendAccounts appends what the message names as accounts, and what its shares name.
func appendAccounts(found, shares []string, m protoreflect.Message) (ofMessage, ofShares []string) {
	for _, f := range ordered[m.Descriptor()] {
		switch v := m.Get(f); {
		case !accountFields[f.Name()]:
		case !f.IsList():
			found = append(found, v.String())
		default:
			for i := range v.List().Len() {
				if f.Message() == nil {
					found = append(found, v.List().Get(i).String())
					continue
				}
				shares, _ = appendAccounts(shares, nil, v.List().Get(i).Message())
			}
		}
	}
	return found, shares
}

// behindHold gives the accounts of a hold.
func behindHold(r kv.Reader, name string) []command.ID {
	h, ok := findHold(r, name)
	if !ok {
		return nil
	}
	return []command.ID{h.debit, h.credit}
}

func behindCheque(r kv.Reader, name string) []command.ID {
	c, ok := cheques.Get(r, kv.StringKey(name))
	if !ok {
		return nil
	}
	return []command.ID{c.account}
}

func behindInvoice(r kv.Reader, name string) []command.ID {
	i, ok := invoices.Get(r, kv.StringKey(name))
	if !ok {
		return nil
	}
	return []command.ID{i.receivable, i.revenue}
}

// behindEntries gives the accounts of the first entry of a step.
func behindEntries(r kv.Reader, name string) []command.ID {
	was, ok := steps.Get(r, kv.StringKey(name))
	if !ok || was.entries == 0 {
		return nil
	}
	e, _ := entries.Get(r, was.first)
	return []command.ID{e.debit, e.credit}
}
