package ledger_test

import (
	"fmt"
	"math/big"
	"math/bits"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"pgregory.net/rapid"

	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
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
	// ids counts those that were drawn.
	ids int
	// caller is who will ask for it.
	caller plainCaller
}

// die is evenly 0 to n - 1. The ranges of rapid prefer what is small, which would
// leave most of the ledger unvisited.
func die(n int) *rapid.Generator[int] {
	count := bits.Len(uint(n)) + 2
	return rapid.Custom(func(t *rapid.T) (side int) {
		for range count {
			if side *= 2; rapid.Bool().Draw(t, "bit") {
				side++
			}
		}
		return side * n >> count
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

// account draws the path of an account of the asset, or of any, that is open and of
// use, if there is one; of any once in a while.
func (a *artist) account(label, asset string, ofUse func(*plainAccount) bool, but ...string) string {
	var all []string
	for _, p := range a.paths() {
		account := &a.accounts[a.at[p]]
		if (asset == "" || account.asset == asset) && account.state == "open" && !slices.Contains(but, p) && ofUse(account) {
			all = append(all, p)
		}
	}
	if len(all) == 0 || a.sometimes(12, label+" is any") {
		return a.path(label, asset, but...)
	}
	return one(a, label, all...)
}

func isPositive(bound *big.Int) bool { return bound == nil || bound.Sign() > 0 }

// canPay says whether the caller may debit the account, and there is something.
func (a *artist) canPay(account *plainAccount) bool {
	return a.caller.may(a.plainLedger, "Spend", account.path) == "" && isPositive(account.spendable(a.now))
}

// canReserve is canPay of holds.
func (a *artist) canReserve(account *plainAccount) bool {
	return a.canPay(account) && isPositive(account.reservable(account.holdOverdraft, a.now))
}

// canTake says whether the account can be paid by the caller, and keep it.
func (a *artist) canTake(account *plainAccount) bool {
	return a.caller.may(a.plainLedger, "View", account.path) != fault.NotFound && isPositive(account.room()) && account.kind != "transient"
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

// within draws a part of what there is, which nil does not bound, or once in a while
// any amount, or just too much.
func (a *artist) within(label, asset string, bound *big.Int) string {
	text := a.positive(label, asset)
	if bound == nil || bound.Sign() <= 0 || a.sometimes(12, label+" is any") {
		return text
	}
	amount := parse(text, a.scales[asset])
	if amount == nil || exceeds(amount, bound) || a.sometimes(2, label+" is a part") {
		amount = new(big.Int).Quo(bound, big.NewInt(one(a, label+" is one in", int64(1), 2, 2, 3, 3, 5)))
	}
	if amount.Sign() == 0 || a.sometimes(20, label+" is one more") {
		amount = plus(amount, big.NewInt(1))
	}
	return format(amount, a.scales[asset])
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
	a.ids++
	return fmt.Sprint("s", a.ids)
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
	if frozen := a.frozen(); len(frozen) > 0 && !a.sometimes(4, "another change") {
		return &pb.ChangeAccountRequest{Path: one(a, "frozen", frozen...), Frozen: proto.Bool(false)}
	}
	req := &pb.ChangeAccountRequest{Path: a.path("path", "")}
	asset := a.assetOf(req.Path)
	switch one(a, "change", "overdraft", "ceiling", "daily limit", "freeze", "freeze", "freeze", "thaw", "hold overdraft", "owner", "metadata", "nothing") {
	case "overdraft":
		req.Overdraft = proto.String(a.limit("overdraft", asset, "", "0", "5", "100", ledger.Unlimited))
	case "ceiling":
		req.Ceiling = proto.String(a.limit("ceiling", asset, "", "", "0", "5", "50"))
	case "daily limit":
		req.DailyLimit = proto.String(a.limit("daily limit", asset, "", "0", "10", "30"))
	case "freeze":
		req.Frozen = proto.Bool(true)
	case "thaw":
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
	t := &pb.Transfer{Id: a.id(), Debit: a.account("debit", "", a.canPay), EffectiveUnixNanos: a.effective(), Description: a.description()}
	asset := a.assetOf(t.Debit)
	t.Asset = one(a, "asset", "", "", "", asset)
	if a.sometimes(40, "another asset") {
		t.Asset = a.asset()
	}
	for range one(a, "more payers", 0, 0, 0, 0, 1, 2) {
		t.ThenDebit = append(t.ThenDebit, a.account("then debit", asset, a.canPay, append(t.ThenDebit, t.Debit)...))
	}
	payers := append(slices.Clone(t.ThenDebit), t.Debit)
	if t.Amount = a.amount("amount", asset); !a.sometimes(4, "whatever there is") {
		t.Amount = a.within("amount", asset, a.spendable(payers...))
	}
	if !a.sometimes(4, "shares") {
		t.Credit = a.account("credit", asset, a.canTake, payers...)
	} else {
		t.Shares = a.shares(asset, t.Amount, payers...)
	}
	t.UpTo = a.sometimes(5, "up to") && (!hasFixed(t.Shares) || a.sometimes(10, "up to fixed shares"))
	return t
}

// spendable is what the accounts at the paths can pay together; nil is no bound.
func (a *artist) spendable(paths ...string) *big.Int {
	sum := nothing
	for _, p := range paths {
		if i, ok := a.at[plainPath(p)]; ok {
			bound := a.accounts[i].spendable(a.now)
			if bound == nil {
				return nil
			}
			sum = plus(sum, bound)
		}
	}
	return sum
}

// shares draws shares of an amount.
func (a *artist) shares(asset, amount string, but ...string) (shares []*pb.Share) {
	but = slices.Clone(but)
	for range a.from(1, 3, "shares") {
		s := &pb.Share{Credit: a.account("share", asset, a.canTake, but...)}
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
