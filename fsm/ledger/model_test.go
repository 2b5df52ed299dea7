package ledger_test

import (
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"acquired/fsm/fsmtest"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// The ledger again, as plainly as can be: maps and big integers, nothing
// shared with the other one.
type model struct {
	assets    map[string]int
	accounts  map[string]*modelAccount
	transfers map[string]*modelTransfer
}

type modelAccount struct {
	asset              string
	debits, credits    *big.Int
	overdraft, ceiling *big.Int // nil is no bound
	lines              []*pb.StatementLine
}

type modelTransfer struct {
	debit, credit string
	amount        *big.Int
	index         uint64
	time          int64
}

func newModel() *model {
	return &model{make(map[string]int), make(map[string]*modelAccount), make(map[string]*modelTransfer)}
}

func (m *model) clone() *model {
	c := &model{maps.Clone(m.assets), make(map[string]*modelAccount), maps.Clone(m.transfers)}
	for path, a := range m.accounts {
		b := *a
		b.debits, b.credits = new(big.Int).Set(a.debits), new(big.Int).Set(a.credits)
		b.lines = slices.Clone(a.lines)
		c.accounts[path] = &b
	}
	return c
}

var (
	most    = new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 127), big.NewInt(1))
	decimal = regexp.MustCompile(`^(0|[1-9][0-9]*)(\.([0-9]+))?$`)
)

// parse gives nil for what is no amount at the scale.
func parse(s string, scale int) *big.Int {
	parts := decimal.FindStringSubmatch(s)
	if parts == nil || len(parts[3]) > scale {
		return nil
	}
	amount, _ := new(big.Int).SetString(parts[1]+parts[3]+strings.Repeat("0", scale-len(parts[3])), 10)
	if amount.Cmp(most) > 0 {
		return nil
	}
	return amount
}

func format(amount *big.Int, scale int) string {
	sign, digits := "", new(big.Int).Abs(amount).String()
	if amount.Sign() < 0 {
		sign = "-"
	}
	if scale == 0 {
		return sign + digits
	}
	if len(digits) <= scale {
		digits = strings.Repeat("0", scale+1-len(digits)) + digits
	}
	return sign + digits[:len(digits)-scale] + "." + digits[len(digits)-scale:]
}

func (a *modelAccount) balance() *big.Int { return new(big.Int).Sub(a.credits, a.debits) }

// available is what may be debited; nil is no bound.
func (a *modelAccount) available() *big.Int {
	if a.overdraft == nil {
		return nil
	}
	return new(big.Int).Add(a.balance(), a.overdraft)
}

func (m *model) createAsset(req *pb.CreateAssetRequest) fault.Kind {
	if _, ok := m.assets[req.Code]; ok {
		return fault.Exists
	}
	m.assets[req.Code] = int(req.Scale)
	return ""
}

func (m *model) openAccount(req *pb.OpenAccountRequest) fault.Kind {
	if _, ok := m.accounts[req.Path]; ok {
		return fault.Exists
	}
	scale, ok := m.assets[req.Asset]
	if !ok {
		return fault.NotFound
	}
	a := &modelAccount{asset: req.Asset, debits: new(big.Int), credits: new(big.Int)}
	switch req.Overdraft {
	case "":
		a.overdraft = new(big.Int)
	case ledger.Unlimited:
	default:
		if a.overdraft = parse(req.Overdraft, scale); a.overdraft == nil {
			return fault.Invalid
		}
	}
	if req.Ceiling != "" {
		if a.ceiling = parse(req.Ceiling, scale); a.ceiling == nil {
			return fault.Invalid
		}
	}
	m.accounts[req.Path] = a
	return ""
}

// transfer gives what is answered. A refusal leaves the model half-done; the
// caller throws it away.
func (m *model) transfer(req *pb.TransferRequest, index uint64, time int64) (*pb.TransferResponse, string, fault.Kind) {
	res := &pb.TransferResponse{Index: index}
	met := make(map[string]bool)
	for i, t := range req.Transfers {
		existing, kind := m.one(t, met, index, time)
		if kind != "" {
			return nil, strconv.Itoa(i), kind
		}
		if existing != 0 {
			res.Existing = append(res.Existing, &pb.ExistingTransfer{Position: uint32(i), Index: existing})
			continue
		}
		res.Created++
	}
	for asset := range m.assets {
		if debits, credits := m.totals(asset); debits.Cmp(most) > 0 || credits.Cmp(most) > 0 {
			return nil, "", fault.Exhausted
		}
	}
	return res, "", ""
}

func (m *model) totals(asset string) (debits, credits *big.Int) {
	debits, credits = new(big.Int), new(big.Int)
	for _, a := range m.accounts {
		if a.asset == asset {
			debits.Add(debits, a.debits)
			credits.Add(credits, a.credits)
		}
	}
	return debits, credits
}

func (m *model) one(t *pb.Transfer, met map[string]bool, index uint64, time int64) (existing uint64, kind fault.Kind) {
	debit, credit := m.accounts[t.Debit], m.accounts[t.Credit]
	switch {
	case debit == nil, credit == nil:
		return 0, fault.NotFound
	case debit == credit, debit.asset != credit.asset, t.Asset != "" && t.Asset != debit.asset:
		return 0, fault.Invalid
	}
	amount := parse(t.Amount, m.assets[debit.asset])
	if amount == nil || met[t.Id] {
		return 0, fault.Invalid
	}
	met[t.Id] = true
	if was := m.transfers[t.Id]; was != nil {
		if was.debit != t.Debit || was.credit != t.Credit || was.amount.Cmp(amount) != 0 {
			return 0, fault.Conflict
		}
		return was.index, ""
	}
	available, after := debit.available(), new(big.Int).Add(credit.balance(), amount)
	if available != nil && amount.Cmp(available) > 0 || credit.ceiling != nil && after.Cmp(credit.ceiling) > 0 {
		return 0, fault.Insufficient
	}
	debit.debits.Add(debit.debits, amount)
	credit.credits.Add(credit.credits, amount)
	if debit.debits.Cmp(most) > 0 || credit.credits.Cmp(most) > 0 {
		return 0, fault.Exhausted
	}
	m.transfers[t.Id] = &modelTransfer{t.Debit, t.Credit, amount, index, time}
	m.note(t, amount, index, time)
	return 0, ""
}

// note adds the transfer to both statements.
func (m *model) note(t *pb.Transfer, amount *big.Int, index uint64, time int64) {
	debit, credit := m.accounts[t.Debit], m.accounts[t.Credit]
	scale := m.assets[debit.asset]
	for _, a := range []*modelAccount{debit, credit} {
		line := &pb.StatementLine{Index: index, UnixNanos: time, Transfer: t.Id, Balance: format(a.balance(), scale)}
		if a == debit {
			line.Debit, line.Counterparty = format(amount, scale), t.Credit
		} else {
			line.Credit, line.Counterparty = format(amount, scale), t.Debit
		}
		a.lines = append(a.lines, line)
	}
}

// What is drawn is little of each kind, so that things meet.
var (
	assetCodes = rapid.SampledFrom([]string{"USD", "HOUR", "TINY"})
	paths      = rapid.SampledFrom([]string{"/account/a", "/account/a/b", "/account/ab", "/account/c", "/account/d", "/account/e"})
	ids        = rapid.Map(rapid.IntRange(0, 60), func(n int) string { return []string{"", "/", "~"}[n%3] + strconv.Itoa(n) })
	small      = rapid.SampledFrom([]string{"0", "1", "2", "5", "10", "0.5", "1.50", "0.01"})
	odd        = rapid.SampledFrom([]string{"85070591730234615865843651857942052864", "1701411834604692317316873037158841057.27", "-1", "x", "1.234"})
	number     = rapid.Map(rapid.Uint64(), func(n uint64) string { return strconv.FormatUint(n, 10) })
	// Most amounts are small.
	amounts = rapid.OneOf(small, small, small, small, small, small, number, odd)
	limits  = rapid.OneOf(rapid.SampledFrom([]string{"", "0", "5", ledger.Unlimited, ledger.Unlimited, "1.5", "100"}), amounts)
)

// ledgerRun is a run of TestModel.
type ledgerRun struct {
	machine *fsmtest.Machine
	model   *model
	// sent are the requests so far, and what was answered.
	sent []sentRequest
}

type sentRequest struct {
	command *statev1.Command
	index   uint64
	body    []byte
	kind    fault.Kind
}

// TestModel compares every answer and every balance with those of the model,
// over random requests, some of them sent again.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		r := &ledgerRun{machine: fsmtest.New(t), model: newModel()}
		for _, code := range []string{"USD", "HOUR"} {
			r.createAsset(t, &pb.CreateAssetRequest{Code: code, Scale: 2})
		}
		for _, path := range []string{"/account/a", "/account/c"} {
			r.openAccount(t, &pb.OpenAccountRequest{Path: path, Asset: "USD", Overdraft: ledger.Unlimited})
		}
		t.Repeat(map[string]func(*rapid.T){
			"":                 r.compareBalances,
			"create an asset":  r.drawAsset,
			"open an account":  r.drawAccount,
			"open one more":    r.drawAccount,
			"transfer":         r.drawTransfers,
			"transfer more":    r.drawTransfers,
			"transfer yet":     r.drawTransfers,
			"send again":       r.sendAgain,
			"look up":          r.compareLookup,
			"read a statement": r.compareStatement,
		})
	})
}

func (r *ledgerRun) drawAsset(t *rapid.T) {
	r.createAsset(t, &pb.CreateAssetRequest{Code: assetCodes.Draw(t, "code"), Scale: rapid.Uint32Range(0, ledger.MaxScale).Draw(t, "scale")})
}

func (r *ledgerRun) createAsset(t *rapid.T, req *pb.CreateAssetRequest) {
	kind := r.model.createAsset(req)
	_, err := r.send(t, fsmtest.Command(r.machine.Operator, ledger.CreateAsset, req))
	wantKind(t, req, err, kind)
}

func (r *ledgerRun) drawAccount(t *rapid.T) {
	r.openAccount(t, &pb.OpenAccountRequest{
		Path: paths.Draw(t, "path"), Asset: assetCodes.Draw(t, "asset"),
		Overdraft: limits.Draw(t, "overdraft"), Ceiling: rapid.OneOf(rapid.Just(""), limits).Draw(t, "ceiling"),
	})
}

func (r *ledgerRun) openAccount(t *rapid.T, req *pb.OpenAccountRequest) {
	kind := r.model.openAccount(req)
	_, err := r.send(t, fsmtest.Command(r.machine.Operator, ledger.OpenAccount, req))
	wantKind(t, req, err, kind)
}

func (r *ledgerRun) drawTransfers(t *rapid.T) {
	req := &pb.TransferRequest{}
	for range rapid.IntRange(1, 5).Draw(t, "transfers") {
		req.Transfers = append(req.Transfers, r.drawTransfer(t))
	}
	command := fsmtest.Command(r.machine.Operator, ledger.Transfer, req)
	result, err := r.send(t, command)
	position := r.machine.Position()
	next := r.model.clone()
	want, at, kind := next.transfer(req, position.Index, position.Time)
	wantKind(t, req, err, kind)
	if kind != "" {
		if f := err.(*fault.Fault); f.Details["position"] != at {
			t.Fatalf("%v is refused for transfer %q (%v), want %q", req, f.Details["position"], err, at)
		}
		return
	}
	r.model = next
	if !proto.Equal(result, want) {
		t.Fatalf("%v is answered with %v, want %v", req, result, want)
	}
}

// drawTransfer draws one that stands, or one that is nearly it, or a new one.
func (r *ledgerRun) drawTransfer(t *rapid.T) *pb.Transfer {
	p := of(ids.Draw(t, "id"), "", "", amounts.Draw(t, "amount"))
	p.Debit, p.Credit = r.pair(t)
	standing := slices.Sorted(maps.Keys(r.model.transfers))
	if len(standing) > 0 && rapid.IntRange(0, 4).Draw(t, "standing") == 0 {
		id := rapid.SampledFrom(standing).Draw(t, "standing id")
		was := r.model.transfers[id]
		p = of(id, was.debit, was.credit, format(was.amount, r.model.assets[r.model.accounts[was.debit].asset]))
	}
	switch rapid.IntRange(0, 49).Draw(t, "changed") {
	case 0:
		p.Debit = paths.Draw(t, "debit")
	case 1:
		p.Credit = paths.Draw(t, "credit")
	case 2:
		p.Amount = amounts.Draw(t, "another amount")
	case 3:
		p.Asset = assetCodes.Draw(t, "asset")
	}
	return p
}

// pair draws two accounts of one asset.
func (r *ledgerRun) pair(t *rapid.T) (debit, credit string) {
	all := slices.Sorted(maps.Keys(r.model.accounts))
	debit = rapid.SampledFrom(all).Draw(t, "one")
	all = slices.DeleteFunc(all, func(path string) bool {
		return path == debit || r.model.accounts[path].asset != r.model.accounts[debit].asset
	})
	if len(all) == 0 {
		return "/account/a", "/account/c"
	}
	return debit, rapid.SampledFrom(all).Draw(t, "other")
}

// send applies the command and remembers it.
func (r *ledgerRun) send(t *rapid.T, command *statev1.Command) (proto.Message, error) {
	result := r.machine.Apply(command)[0]
	if result.Index != r.machine.Position().Index {
		t.Fatalf("%v is answered at %d, want %d", command, result.Index, r.machine.Position().Index)
	}
	kept := sentRequest{command: command, index: result.Index, body: result.Body}
	if result.Err != nil {
		kept.kind = fault.KindOf(result.Err)
	}
	r.sent = append(r.sent, kept)
	return result.Response, result.Err
}

// sendAgain sends a request that was answered.
func (r *ledgerRun) sendAgain(t *rapid.T) {
	was := r.sent[rapid.IntRange(0, len(r.sent)-1).Draw(t, "request")]
	hash := r.machine.Hash()
	result := r.machine.Apply(was.command)[0]
	if result.Index != was.index || string(result.Body) != string(was.body) || r.machine.Hash() != hash {
		t.Fatalf("%v sent again gives %+v, at first index %d and %x", was.command, result, was.index, was.body)
	}
	wantKind(t, was.command, result.Err, was.kind)
}

func wantKind(t *rapid.T, req proto.Message, err error, want fault.Kind) {
	t.Helper()
	if want == "" && err != nil || want != "" && (err == nil || fault.KindOf(err) != want) {
		t.Fatalf("%v gives %v, want %q", req, err, want)
	}
}

func (r *ledgerRun) compareBalances(t *rapid.T) {
	for path, a := range r.model.accounts {
		scale, available := r.model.assets[a.asset], ledger.Unlimited
		if amount := a.available(); amount != nil {
			available = format(amount, scale)
		}
		zero := format(new(big.Int), scale)
		want := &pb.BalanceResponse{
			Path: path, Asset: a.asset, DebitsPosted: format(a.debits, scale), CreditsPosted: format(a.credits, scale),
			DebitsPending: zero, CreditsPending: zero, Available: available,
		}
		if got := balance(t, r.machine, path); !proto.Equal(got, want) {
			t.Fatalf("the balance is %v, want %v", got, want)
		}
	}
	var want []string
	for _, code := range slices.Sorted(maps.Keys(r.model.assets)) {
		scale := r.model.assets[code]
		zero := format(new(big.Int), scale)
		debits, credits := r.model.totals(code)
		accounts, transfers := 0, 0
		for _, a := range r.model.accounts {
			if a.asset == code {
				accounts++
				transfers += len(a.lines)
			}
		}
		want = append(want, fmt.Sprintf("%s/%d -%s +%s (-%s +%s) %d accounts %d transfers", code, scale,
			format(debits, scale), format(credits, scale), zero, zero, accounts, transfers/2))
	}
	if got := trialBalance(t, r.machine); got != strings.Join(want, "; ") {
		t.Fatalf("the trial balance is %s, want %s", got, strings.Join(want, "; "))
	}
}

func (r *ledgerRun) compareLookup(t *rapid.T) {
	req := &pb.LookupRequest{
		Ids:   rapid.SliceOfN(ids, 1, 10).Draw(t, "ids"),
		Under: rapid.OneOf(rapid.Just(""), paths).Draw(t, "under"),
	}
	want := &pb.LookupResponse{}
	for _, id := range req.Ids {
		was := r.model.transfers[id]
		if was == nil || !under(req.Under, was.debit) && !under(req.Under, was.credit) {
			continue
		}
		asset := r.model.accounts[was.debit].asset
		recorded := of(id, was.debit, was.credit, format(was.amount, r.model.assets[asset]))
		recorded.Asset = asset
		want.Transfers = append(want.Transfers, &pb.RecordedTransfer{Transfer: recorded, Index: was.index, UnixNanos: was.time})
	}
	got, err := fsmtest.Ask(r.machine.Operator, ledger.Lookup, req)
	if err != nil || !proto.Equal(got, want) {
		t.Fatalf("%v gives %v, %v; want %v", req, got, err, want)
	}
}

func under(folder, path string) bool {
	return folder == "" || path == folder || strings.HasPrefix(path, folder+"/")
}

func (r *ledgerRun) compareStatement(t *rapid.T) {
	path := rapid.SampledFrom(slices.Sorted(maps.Keys(r.model.accounts))).Draw(t, "path")
	limit, newestFirst := rapid.Uint32Range(1, 9).Draw(t, "limit"), rapid.Bool().Draw(t, "newest first")
	got, want := pages(t, r.machine, path, limit, newestFirst), slices.Clone(r.model.accounts[path].lines)
	if newestFirst {
		slices.Reverse(want)
	}
	if !slices.EqualFunc(got, want, func(a, b *pb.StatementLine) bool { return proto.Equal(a, b) }) {
		t.Fatalf("the statement of %s is %v, want %v", path, got, want)
	}
}
