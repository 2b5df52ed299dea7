package ledger_test

import (
	"fmt"
	"math/big"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
)

// artist draws requests that are worth sending to a ledger in some state: most
// could be made, and there is little of each thing, so that things meet.
type artist struct {
	*rapid.T
	*plainLedger
	// sent are the steps that were sent before.
	sent []*pb.Step
	// kinds are the steps that it draws.
	kinds []string
	// made counts the ids.
	made int
	// self is who will ask for it.
	self string
}

// die is evenly 0 to n - 1. The ranges of rapid prefer what is small, which would
// leave most of the ledger unvisited.
func die(n int) *rapid.Generator[int] {
	const bits = 10
	return rapid.Custom(func(t *rapid.T) (side int) {
		for range bits {
			if side *= 2; rapid.Bool().Draw(t, "bit") {
				side++
			}
		}
		return side * n >> bits
	})
}

// one draws one of the things, which are there.
func one[V any](a *artist, label string, things ...V) V {
	return things[die(len(things)).Draw(a.T, label)]
}

// sometimes is true once in so many times.
func (a *artist) sometimes(once int, label string) bool {
	return die(once).Draw(a.T, label) == once-1
}

// from draws one of the numbers from least to most.
func (a *artist) from(least, most int, label string) int {
	return least + die(most-least+1).Draw(a.T, label)
}

// The accounts that there can be. Those at the top are opened first.
var (
	plainBanks = []*pb.OpenAccountRequest{
		{Path: "/account/bank", Asset: "USD", Overdraft: ledger.Unlimited},
		{Path: "/account/mint", Asset: "GRID", Overdraft: ledger.Unlimited, HoldOverdraft: true},
		{Path: "/account/all", Asset: "UNIT", Overdraft: ledger.Unlimited},
		{Path: "/account/a", Asset: "USD", Overdraft: "100"},
		{Path: "/account/b", Asset: "USD", Overdraft: "50", HoldOverdraft: true},
		{Path: "/account/grid/a", Asset: "GRID", Ceiling: "200"},
		{Path: "/account/unit/a", Asset: "UNIT", DailyLimit: "25"},
		{Path: "/account/full/a", Asset: "FULL", Overdraft: ledger.Unlimited},
		{Path: "/account/full/b", Asset: "FULL"},
	}
	plainPlaces = []string{"/account/a", "/account/a/b", "/account/ab", "/account/c", "/account/d", "/account/x/e", "/account/x/f"}
	plainScales = []*pb.CreateAssetRequest{{Code: "USD", Scale: 2}, {Code: "GRID", Scale: 6}, {Code: "UNIT"}, {Code: "FULL"}}
)

// openings give the accounts something to begin with.
func openings() *pb.TransferRequest {
	return &pb.TransferRequest{Transfers: []*pb.Transfer{
		{Id: "opening-1", Debit: "/account/bank", Credit: "/account/a", Amount: "60"},
		{Id: "opening-4", Debit: "/account/bank", Credit: "/account/b", Amount: "60"},
		{Id: "opening-2", Debit: "/account/mint", Credit: "/account/grid/a", Amount: "100"},
		{Id: "opening-5", Debit: "/account/full/a", Credit: "/account/full/b", Amount: minus(most, big.NewInt(20)).String()},
		{Id: "opening-3", Debit: "/account/all", Credit: "/account/unit/a", Amount: "30"},
	}}
}

// path draws the path of an account of the asset, or of any.
func (a *artist) path(label, asset string, but ...string) string {
	var all []string
	closed := a.sometimes(30, label+" may be closed")
	for _, p := range a.paths() {
		account := a.accounts[a.at[p]]
		if (asset == "" || account.asset == asset) && !slices.Contains(but, p) && (closed || account.state != "closed") {
			all = append(all, p)
		}
	}
	if len(all) == 0 || a.sometimes(100, label+" is another") {
		odd := append(slices.Concat(plainPlaces, plainPlaces, plainPlaces), "/account/nobody", "am://account/bank/", "am://account/a", "/account", "x")
		return one(a, label, odd...)
	}
	return one(a, label, all...)
}

// paths gives those of all accounts that there are.
func (l *plainLedger) paths() (all []string) {
	for _, account := range l.accounts {
		if _, ok := l.at[account.path]; ok && !slices.Contains(all, account.path) {
			all = append(all, account.path)
		}
	}
	slices.Sort(all)
	return all
}

func (a *artist) assetOf(path string) string {
	if i, ok := a.at[plainPath(path)]; ok {
		return a.accounts[i].asset
	}
	return "USD"
}

// amount draws an amount of an asset, most of them small.
func (a *artist) amount(label, asset string) string {
	scale := a.scales[asset]
	text := one(a, label, "0", "1", "2", "3", "5", "5", "7", "10", "10", "20", "0.5", "1.50", "0.01", "limit", "most", "number", "odd")
	switch text {
	case "limit":
		return map[string]string{"USD": "99999999999.99", "GRID": "99999999999.999999", "UNIT": "99999999999", "FULL": "99999999999"}[asset]
	case "most":
		if a.sometimes(3, "the most") {
			return format(most, scale)
		}
	case "number":
		return fmt.Sprint(rapid.Uint64().Draw(a.T, "number"))
	case "odd":
		if a.sometimes(8, "an odd one") {
			return one(a, "odd", "-1", "x", "", "1.2345678", "01", "1.", "10141204801825835211973625643008")
		}
	}
	if strings.Contains(text, ".") && scale == 0 || text == "most" || text == "odd" {
		return "1"
	}
	return text
}

// positive draws an amount that is more than nothing, most of the time.
func (a *artist) positive(label, asset string) string {
	if text := a.amount(label, asset); text != "0" || a.sometimes(10, "nothing") {
		return text
	}
	return "4"
}

// limit draws an overdraft or a ceiling.
func (a *artist) limit(label, asset string, most ...string) string {
	if a.sometimes(3, label+" as an amount") {
		return a.amount(label, asset)
	}
	return one(a, label, most...)
}

// id draws an id: mostly a new one.
func (a *artist) id() string {
	if a.sometimes(40, "an old id") {
		return fmt.Sprint("s", a.from(1, 30, "id"))
	}
	a.made++
	return fmt.Sprint("s", a.made)
}

// effective draws an effective time: mostly none.
func (a *artist) effective() int64 {
	switch a.from(0, 39, "effective") {
	case 0:
		return one(a, "odd effective", a.now+3600*plainSecond, 1, -1, a.now)
	case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10:
		return max(a.closedUntil(), a.now-int64(a.from(0, 20, "seconds ago"))*plainSecond)
	case 11:
		return a.now - int64(a.from(0, 20, "seconds ago"))*plainSecond
	}
	return 0
}

// unless is the first of two, unless in a while the other.
func (a *artist) unless(label, mostly, other string) string {
	if a.sometimes(20, label+" is another") {
		return other
	}
	return mostly
}

func (a *artist) description() string {
	return one(a, "description", "", "", "rent", "λ \"quoted\"", "to b")
}

func (a *artist) asset() string { return one(a, "asset", "USD", "USD", "GRID", "UNIT", "FULL") }

func (a *artist) openRequest() *pb.OpenAccountRequest {
	places := slices.DeleteFunc(slices.Clone(plainPlaces), func(p string) bool { _, there := a.at[p]; return there })
	if len(places) == 0 || a.sometimes(5, "one that may be there") {
		places = plainPlaces
	}
	req := &pb.OpenAccountRequest{
		Path: one(a, "path", places...), Asset: one(a, "asset", a.unless("asset", "USD", "NONE"), "USD", "USD", "GRID", "UNIT"),
		Kind:          one(a, "kind", "", "", "normal", "ephemeral", "ephemeral", "transient"),
		HoldOverdraft: a.sometimes(3, "hold overdraft"),
	}
	req.Overdraft = a.limit("overdraft", req.Asset, "", "0", "5", "100", ledger.Unlimited)
	req.Ceiling = a.limit("ceiling", req.Asset, "", "", "", "5", "50")
	req.DailyLimit = a.limit("daily limit", req.Asset, "", "", "", "", "", "", "10", "30")
	if a.sometimes(4, "owner") {
		req.Owner = "/user/alice"
		req.Metadata = []*pb.Metadatum{{Key: "note", Value: "x"}}
	}
	return req
}

func (a *artist) changeRequest() *pb.ChangeAccountRequest {
	req := &pb.ChangeAccountRequest{Path: a.path("path", "")}
	asset := a.assetOf(req.Path)
	switch one(a, "change", "overdraft", "ceiling", "daily limit", "freeze", "thaw", "thaw", "hold overdraft", "owner", "metadata", "nothing") {
	case "overdraft":
		req.Overdraft = proto.String(a.limit("overdraft", asset, "", "0", "5", "100", ledger.Unlimited))
	case "ceiling":
		req.Ceiling = proto.String(a.limit("ceiling", asset, "", "", "0", "5", "50"))
	case "daily limit":
		req.DailyLimit = proto.String(a.limit("daily limit", asset, "", "0", "10", "30"))
	case "freeze":
		req.Frozen = proto.Bool(true)
	case "thaw":
		if frozen := a.frozen(); len(frozen) > 0 {
			req.Path = one(a, "frozen", frozen...)
		}
		req.Frozen = proto.Bool(false)
	case "hold overdraft":
		req.HoldOverdraft = proto.Bool(a.sometimes(2, "on"))
	case "owner":
		req.Owner = proto.String(one(a, "owner", "", "/user/alice"))
	case "metadata":
		req.Metadata = []*pb.Metadatum{{Key: one(a, "key", "a", "b"), Value: one(a, "value", "", "1", "2")}}
	}
	if a.sometimes(8, "if version") {
		req.IfVersion = uint64(a.from(1, 9, "version"))
	}
	return req
}

func (l *plainLedger) frozen() (all []string) {
	for _, p := range l.paths() {
		if l.accounts[l.at[p]].state == "frozen" {
			all = append(all, p)
		}
	}
	return all
}

func (a *artist) periodRequest() *pb.ClosePeriodRequest {
	ago := int64(a.from(-1, 15, "seconds ago"))
	return &pb.ClosePeriodRequest{UntilUnixNanos: a.now - ago*plainSecond, Name: one(a, "name", "", "2026-10")}
}

func (a *artist) transferRequest() *pb.TransferRequest {
	req := &pb.TransferRequest{Chains: a.sometimes(3, "chains")}
	count := a.from(1, 5, "transfers")
	for i := range count {
		t := a.again("transfer").GetTransfer()
		if t == nil {
			t = a.transfer()
		}
		if req.Chains && i < count-1 || a.sometimes(100, "linked anyhow") {
			t.Linked = a.sometimes(2, "linked")
		}
		a.sent = append(a.sent, &pb.Step{Step: &pb.Step_Transfer{Transfer: t}})
		req.Transfers = append(req.Transfers, t)
	}
	return req
}

// again gives a step of the kind, or of any, that was sent before, one in a while;
// it is empty otherwise. One field of it may be another.
func (a *artist) again(kind string) *pb.Step {
	var same []*pb.Step
	for _, s := range a.sent {
		if kind == "" || kindOf(s) == kind {
			same = append(same, s)
		}
	}
	if len(same) == 0 || !a.sometimes(8, "again") {
		return &pb.Step{}
	}
	s := proto.CloneOf(one(a, "sent", same...))
	if t := s.GetTransfer(); t != nil {
		t.Linked = false
	}
	if a.sometimes(3, "changed") {
		a.change(s)
	}
	return s
}

// kindOf gives the name of a step.
func kindOf(s *pb.Step) string {
	m := s.ProtoReflect()
	if f := m.WhichOneof(m.Descriptor().Oneofs().ByName("step")); f != nil {
		return string(f.Name())
	}
	return ""
}

// change makes one field of a step that has an id another.
func (a *artist) change(s *pb.Step) {
	step, id := stepOf(s)
	if id == "" {
		return
	}
	m := step.ProtoReflect()
	var fields []protoreflect.FieldDescriptor
	for i := range m.Descriptor().Fields().Len() {
		if f := m.Descriptor().Fields().Get(i); f.Name() != "id" && f.Name() != "linked" && !f.IsList() && f.Kind() != protoreflect.MessageKind {
			fields = append(fields, f)
		}
	}
	switch f := one(a, "field", fields...); f.Kind() {
	case protoreflect.StringKind:
		m.Set(f, protoreflect.ValueOfString(a.text(f.Name())))
	case protoreflect.BoolKind:
		m.Set(f, protoreflect.ValueOfBool(!m.Get(f).Bool()))
	case protoreflect.Int64Kind:
		m.Set(f, protoreflect.ValueOfInt64(a.effective()))
	case protoreflect.Uint32Kind:
		m.Set(f, protoreflect.ValueOfUint32(7))
	case protoreflect.Uint64Kind:
		m.Set(f, protoreflect.ValueOfUint64(7))
	}
}

// text draws what a field of that name may hold.
func (a *artist) text(field protoreflect.Name) string {
	switch field {
	case "amount", "ceiling":
		return a.positive("amount", "USD")
	case "asset":
		return one(a, "asset", "", "USD", "GRID")
	case "description", "resource", "hash":
		return one(a, "text", "", "other")
	case "hold", "cheque", "invoice", "of":
		return a.id()
	case "delegate", "recipient", "payer":
		return one(a, "principal", "/user/operator", "/user/alice")
	}
	return a.path("path", "")
}

func (a *artist) transfer() *pb.Transfer {
	t := &pb.Transfer{Id: a.id(), Debit: a.path("debit", ""), EffectiveUnixNanos: a.effective(), Description: a.description()}
	asset := a.assetOf(t.Debit)
	t.Amount = a.amount("amount", asset)
	t.Asset = one(a, "asset", "", "", "", asset)
	if a.sometimes(40, "another asset") {
		t.Asset = a.asset()
	}
	for range one(a, "more payers", 0, 0, 0, 0, 1, 2) {
		t.ThenDebit = append(t.ThenDebit, a.path("then debit", asset, append(t.ThenDebit, t.Debit)...))
	}
	payers := append(slices.Clone(t.ThenDebit), t.Debit)
	if !a.sometimes(4, "shares") {
		t.Credit = a.path("credit", asset, payers...)
	} else {
		t.Shares = a.shares(asset, t.Amount, payers...)
	}
	t.UpTo = a.sometimes(5, "up to") && (!hasFixed(t.Shares) || a.sometimes(10, "up to fixed shares"))
	return t
}

// shares draws shares of an amount.
func (a *artist) shares(asset, amount string, but ...string) (shares []*pb.Share) {
	but = slices.Clone(but)
	for range a.from(1, 3, "shares") {
		s := &pb.Share{Credit: a.path("share", asset, but...)}
		but = append(but, s.Credit)
		switch a.from(0, 5, "share of") {
		case 0:
			s.Amount = a.amount("share", asset)
		case 1:
			s.Amount = one(a, "share", amount, "1")
		case 2:
			s.Weight = one(a, "weight", 1<<64-1, 1<<64-1, 1<<64-1, uint64(1<<63), 1<<63, 1<<63, 1, 1, 0)
		default:
			s.Weight = uint64(a.from(1, 7, "weight"))
		}
		shares = append(shares, s)
	}
	return shares
}

func (a *artist) opRequest() *pb.OpRequest {
	req := &pb.OpRequest{}
	if old := a.opAgain(); old != nil {
		return old
	}
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

// kind draws the kind of a step for which there is something.
func (a *artist) kind() string {
	kind := one(a, "kind", a.kinds...)
	if a.sometimes(40, "anyhow") {
		return kind
	}
	switch kind {
	case "capture", "release", "extend", "issue_receipt":
		if !slices.ContainsFunc(a.holdOrder, func(id string) bool { return a.holds[id].ended == "" }) {
			return "hold"
		}
	case "cash_cheque", "cancel_cheque":
		if !a.has("cheque") {
			return "write_cheque"
		}
	case "pay_invoice", "credit_invoice", "void_invoice":
		if !a.has("invoice") {
			return "issue_invoice"
		}
	}
	return kind
}

// has says whether there is an open document of the kind.
func (a *artist) has(kind string) bool {
	return slices.ContainsFunc(a.documentOrder, func(id string) bool {
		d := a.documents[id]
		state := d.state(a.now)
		return d.kind == kind && (state == "open" || state == "overdue")
	})
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
			id = a.hold()
		}
		state, _ := a.stateOf(id)
		if a.sometimes(4, "another state") {
			state = one(a, "state", "open", "captured", "spent", "paid", "final", "overdue", "x")
		}
		return &pb.Guard{Guard: &pb.Guard_Document{Document: &pb.DocumentGuard{Document: id, State: state}}}
	}
	return &pb.Guard{Guard: &pb.Guard_NotAfterUnixNanos{NotAfterUnixNanos: a.now + one(a, "from now", int64(-1), 5, 10, 10, 10)*plainSecond}}
}

// hold draws a hold, mostly an open one.
func (a *artist) hold() string {
	var open []string
	for _, id := range a.holdOrder {
		if a.holds[id].ended == "" {
			open = append(open, id)
		}
	}
	if len(open) > 0 && !a.sometimes(10, "a closed hold") {
		return one(a, "hold", open...)
	}
	return one(a, "any hold", append(slices.Clone(a.holdOrder), "nothing")...)
}

// document draws a document of the kind, or of any, mostly an open one.
func (a *artist) document(label, kind string) string {
	var all, open []string
	for _, id := range a.documentOrder {
		d := a.documents[id]
		if kind == "" || d.kind == kind {
			all = append(all, id)
			mine := d.kind != "cheque" || d.recipient.name == a.self || a.sometimes(10, "not mine")
			if state := d.state(a.now); mine && (state == "open" || state == "overdue") {
				open = append(open, id)
			}
		}
	}
	if len(open) > 0 && !a.sometimes(10, "a closed "+label) {
		return one(a, label, open...)
	}
	return one(a, "any "+label, append(all, "nothing")...)
}

// expiry draws when something that lives for a while ends.
func (a *artist) expiry() (expires int64, lifetime uint64) {
	switch a.from(0, 9, "ends") {
	case 0:
		return 0, 0
	case 1, 2:
		return a.now + int64(a.from(1, 20, "in seconds"))*plainSecond, 0
	case 3:
		if a.sometimes(4, "oddly") {
			return one(a, "odd expiry", a.now, a.now-plainSecond, a.now+plainTenYears*plainSecond+3600*plainSecond),
				one(a, "odd lifetime", uint64(0), 0, 5)
		}
	}
	return 0, uint64(a.from(1, 20, "lifetime"))
}

func (a *artist) principal() string {
	return one(a, "principal", a.self, a.self, a.self, "/user/alice", "")
}

// step draws a step of the kind.
func (a *artist) step(kind string) *pb.Step {
	switch kind {
	case "transfer":
		return &pb.Step{Step: &pb.Step_Transfer{Transfer: a.transfer()}}
	case "hold":
		h := &pb.PlaceHold{Id: a.id(), Debit: a.payer("debit"), Delegate: a.principal(), Description: a.description()}
		h.Credit = a.path("credit", a.assetOf(h.Debit), h.Debit)
		h.Amount = a.positive("amount", a.assetOf(h.Debit))
		h.ExpiresUnixNanos, h.LifetimeSeconds = a.expiry()
		return &pb.Step{Step: &pb.Step_Hold{Hold: h}}
	case "capture":
		return &pb.Step{Step: &pb.Step_Capture{Capture: a.capture()}}
	case "release":
		r := &pb.ReleaseHold{Id: a.id(), Hold: a.hold()}
		r.Amount = a.part("amount", a.assetOfHold(r.Hold))
		return &pb.Step{Step: &pb.Step_Release{Release: r}}
	case "extend":
		x := &pb.ExtendHold{Id: a.id(), Hold: a.hold()}
		x.Amount = a.somePart("amount", a.assetOfHold(x.Hold))
		if x.Amount == "" && !a.sometimes(20, "by nothing") || a.sometimes(2, "longer") {
			x.ExpiresUnixNanos = a.holds[x.Hold].expires + one(a, "by", int64(5), 5, 5, 0, plainTenYears)*plainSecond
		}
		return &pb.Step{Step: &pb.Step_Extend{Extend: x}}
	}
	return a.documentStep(kind)
}

// payer draws an account of which a hold may reserve, mostly.
func (a *artist) payer(label string) string {
	var all []string
	for _, p := range a.paths() {
		account := a.accounts[a.at[p]]
		if bound := account.reservable(account.holdOverdraft, a.now); account.state == "open" && (bound == nil || bound.Sign() > 0) {
			all = append(all, p)
		}
	}
	if len(all) == 0 || a.sometimes(10, label+" is another") {
		return a.path(label, "")
	}
	return one(a, label, all...)
}

func (a *artist) assetOfHold(id string) string {
	if h, ok := a.holds[id]; ok {
		return a.accounts[h.debit].asset
	}
	return "USD"
}

// part draws an amount that may be left out.
func (a *artist) part(label, asset string) string {
	if a.sometimes(3, label+" is left out") {
		return ""
	}
	return a.amount(label, asset)
}

// somePart draws more than nothing, or leaves it out.
func (a *artist) somePart(label, asset string) string {
	if a.sometimes(3, label+" is left out") {
		return ""
	}
	return a.positive(label, asset)
}

func (a *artist) capture() *pb.CaptureHold {
	c := &pb.CaptureHold{Id: a.id(), Hold: a.hold(), EffectiveUnixNanos: a.effective(), Description: a.description()}
	asset := a.assetOfHold(c.Hold)
	c.Amount = a.part("amount", asset)
	c.Final = a.sometimes(3, "final")
	if a.sometimes(3, "shares") {
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

// documentStep draws a step that makes or changes a document.
func (a *artist) documentStep(kind string) *pb.Step {
	switch kind {
	case "refund":
		return &pb.Step{Step: &pb.Step_Refund{Refund: a.refundStep()}}
	case "exchange":
		return &pb.Step{Step: &pb.Step_Exchange{Exchange: a.exchangeStep()}}
	case "write_cheque":
		c := &pb.WriteCheque{
			Id: a.id(), Account: a.path("account", ""), Recipient: one(a, "recipient", a.self, a.self, a.self, "/user/alice"),
			Resource: one(a, "resource", "job 1", "job 1", "job 2"), Uses: one(a, "uses", uint32(0), 1, 2, 3, 1_000_000), Description: a.description(),
		}
		c.Ceiling = a.positive("ceiling", a.assetOf(c.Account))
		c.ExpiresUnixNanos, c.LifetimeSeconds = a.expiry()
		return &pb.Step{Step: &pb.Step_WriteCheque{WriteCheque: c}}
	case "cash_cheque":
		return &pb.Step{Step: &pb.Step_CashCheque{CashCheque: a.cashStep()}}
	case "cancel_cheque":
		return &pb.Step{Step: &pb.Step_CancelCheque{CancelCheque: &pb.CancelCheque{Id: a.id(), Cheque: a.document("cheque", "cheque")}}}
	case "issue_invoice":
		return &pb.Step{Step: &pb.Step_IssueInvoice{IssueInvoice: a.invoiceStep()}}
	case "pay_invoice":
		p := &pb.PayInvoice{Id: a.id(), Invoice: a.document("invoice", "invoice"), EffectiveUnixNanos: a.effective(), Description: a.description()}
		p.Hash = a.hashOf(p.Invoice)
		receivable := a.receivable(p.Invoice)
		p.Debit = a.path("debit", a.assetOf(receivable), receivable)
		p.Amount = a.somePart("amount", a.assetOf(receivable))
		return &pb.Step{Step: &pb.Step_PayInvoice{PayInvoice: p}}
	case "credit_invoice":
		p := &pb.CreditInvoice{Id: a.id(), Invoice: a.document("invoice", "invoice"), EffectiveUnixNanos: a.effective(), Description: a.unless("why", "late", "")}
		p.Amount = a.positive("amount", a.assetOf(a.receivable(p.Invoice)))
		return &pb.Step{Step: &pb.Step_CreditInvoice{CreditInvoice: p}}
	case "void_invoice":
		p := &pb.VoidInvoice{Id: a.id(), Invoice: a.document("invoice", "invoice"), EffectiveUnixNanos: a.effective(), Description: a.description()}
		return &pb.Step{Step: &pb.Step_VoidInvoice{VoidInvoice: p}}
	}
	return &pb.Step{Step: &pb.Step_IssueReceipt{IssueReceipt: &pb.IssueReceipt{Id: a.id(), Hold: a.hold()}}}
}

func (a *artist) hashOf(document string) string {
	hash := a.documents[document].hash
	if hash == "" || a.sometimes(15, "another hash") {
		return strings.Repeat("0", 64)
	}
	return hash
}

func (a *artist) receivable(invoice string) string {
	if d, ok := a.documents[invoice]; ok && d.kind == "invoice" {
		return a.accounts[d.accounts[0]].path
	}
	return "/account/bank"
}

// refundStep draws a refund of something that moved.
func (a *artist) refundStep() *pb.Refund {
	p := &pb.Refund{Id: a.id(), Of: "nothing", EffectiveUnixNanos: a.effective(), Description: a.description()}
	var moved []plainEntry
	for _, e := range a.entries {
		if effects[e.kind].posted > 0 && (refundable[stepName(a.steps[e.id].body)] || a.sometimes(10, "of another kind")) {
			moved = append(moved, e)
		}
	}
	if len(moved) == 0 || a.sometimes(20, "of nothing") {
		return p
	}
	e := one(a, "moved", moved...)
	p.Of = e.id
	if a.sometimes(2, "debit") {
		p.Debit = a.accounts[e.credit].path
	}
	if a.sometimes(2, "credit") {
		p.Credit = a.accounts[e.debit].path
	}
	if a.sometimes(30, "somebody else") {
		p.Debit = a.path("debit", "")
	}
	p.Amount = a.somePart("amount", a.accounts[e.debit].asset)
	return p
}

func (a *artist) exchangeStep() *pb.Exchange {
	from, to := one(a, "from", "USD", "GRID"), one(a, "to", "UNIT", "GRID", "USD")
	if from == to && !a.sometimes(10, "the same asset") {
		to = "UNIT"
	}
	p := &pb.Exchange{Id: a.id(), EffectiveUnixNanos: a.effective(), Description: a.description()}
	p.Debit = a.path("debit", from)
	p.BrokerCredit = a.path("broker credit", from, p.Debit)
	p.BrokerDebit = a.path("broker debit", to)
	p.Credit = a.path("credit", to, p.BrokerDebit)
	p.Amount = a.positive("amount", from)
	p.RateNumerator = one(a, "numerator", uint64(1), 2, 3, 100, 1<<64-1)
	p.RateDenominator = one(a, "denominator", uint64(1), 3, 7, 100, 1<<64-1)
	if a.sometimes(30, "no rate") {
		p.RateNumerator = 0
	}
	return p
}

func (a *artist) cashStep() *pb.CashCheque {
	p := &pb.CashCheque{Id: a.id(), Cheque: a.document("cheque", "cheque"), Description: a.description()}
	p.Hash = a.hashOf(p.Cheque)
	p.Resource = one(a, "resource", "job 1", "job 1", "job 2")
	from, asset := "", "USD"
	if d, ok := a.documents[p.Cheque]; ok && d.kind == "cheque" {
		from = a.accounts[d.accounts[0]].path
		asset = a.assetOf(from)
		if !a.sometimes(15, "another resource") {
			p.Resource = d.resource
		}
	}
	p.Credit = a.path("credit", asset, from)
	p.Amount = a.positive("amount", asset)
	if p.Hold = a.sometimes(3, "as a hold"); p.Hold || a.sometimes(40, "lifetime anyhow") {
		p.LifetimeSeconds = one(a, "lifetime", uint64(0), 3, 20)
	}
	return p
}

func (a *artist) invoiceStep() *pb.IssueInvoice {
	p := &pb.IssueInvoice{Id: a.id(), EffectiveUnixNanos: a.effective(), Description: a.description()}
	p.Receivable = a.path("receivable", "")
	asset := a.assetOf(p.Receivable)
	p.Revenue = a.path("revenue", asset, p.Receivable)
	p.Payer = one(a, "payer", "/user/alice", "/account/a")
	for range a.from(1, 3, "lines") {
		p.Lines = append(p.Lines, &pb.InvoiceLine{Description: a.unless("line", "hours", ""), Amount: a.amount("line amount", asset)})
	}
	if a.sometimes(2, "due") {
		p.DueUnixNanos = a.now + int64(a.from(-1, 20, "due in"))*plainSecond
	}
	return p
}
