package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"acquired/client"
	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// randomBooks makes books of all kinds of entries in a cluster.
type randomBooks struct {
	t      *testing.T
	client *client.Client
	random *rand.Rand
	// scales are those of the assets; each has a bank and a few accounts.
	scales map[string]uint8
	made   int
	// paid are transfers of one amount, open are holds that may be closed by now.
	paid, open []string
}

// Assets and the last parts of accounts with all that a name may have.
var (
	bookAssets   = []string{"USD", "CORE-HOUR", "RUN2", "X"}
	bookScales   = []uint8{2, 18, 0, 6}
	bookAccounts = []string{"ann", "-", "+1", "@x/a.b", "~/2026-01-01", "ann/USD"}
)

func bookAccount(asset, name string) string { return "/account/" + strings.ToLower(asset) + "/" + name }

// fillBooks makes the assets and accounts, gives each account something, and then
// does what the generator says.
func fillBooks(t *testing.T, c *client.Client, seed uint64, steps int) {
	t.Helper()
	b := &randomBooks{t: t, client: c, random: rand.New(rand.NewPCG(seed, 0)), scales: make(map[string]uint8)}
	for i, asset := range bookAssets {
		b.scales[asset] = bookScales[i]
		_, err := c.Ledger.CreateAsset(t.Context(), &pb.CreateAssetRequest{Code: asset, Scale: uint32(bookScales[i])})
		if err != nil {
			t.Fatal(err)
		}
		b.openAccount(&pb.OpenAccountRequest{Path: bookAccount(asset, "bank"), Asset: asset, Overdraft: unlimited, HoldOverdraft: true})
		for _, name := range bookAccounts {
			b.openAccount(&pb.OpenAccountRequest{
				Path: bookAccount(asset, name), Asset: asset, Overdraft: "3", Ceiling: "9000000000000", Owner: "/user/" + name[:1],
				Metadata: []*pb.Metadatum{{Key: "name", Value: "=" + name}},
			})
			b.transfer(&pb.Transfer{Debit: bookAccount(asset, "bank"), Credit: bookAccount(asset, name), Amount: "1000"})
		}
	}
	for range steps {
		b.step()
	}
	b.expireOne()
}

func (b *randomBooks) openAccount(request *pb.OpenAccountRequest) {
	b.t.Helper()
	if _, err := b.client.Ledger.OpenAccount(b.t.Context(), request); err != nil {
		b.t.Fatalf("open %s: %v", request.Path, err)
	}
}

// id gives a new one.
func (b *randomBooks) id() string {
	b.made++
	return fmt.Sprintf("%s%d", b.pick("step-", "@", "-", "import:1:", "+/"), b.made)
}

func (b *randomBooks) pick(all ...string) string { return all[b.random.IntN(len(all))] }

// accounts gives n accounts of an asset.
func (b *randomBooks) accounts(asset string, n int) []string {
	all := make([]string, n)
	for i, at := range b.random.Perm(len(bookAccounts))[:n] {
		all[i] = bookAccount(asset, bookAccounts[at])
	}
	return all
}

// amount gives one of up to 300 units.
func (b *randomBooks) amount(asset string) string {
	scale := b.scales[asset]
	most := uint64(300)
	for range scale {
		most = min(most*10, 1<<62)
	}
	return ledger.Amount{Lo: 1 + b.random.Uint64N(most)}.Format(scale)
}

// effective gives an instant of the last month, or none.
func (b *randomBooks) effective() int64 {
	if b.random.IntN(2) == 0 {
		return 0
	}
	return time.Now().Add(-time.Duration(b.random.Int64N(int64(30 * 24 * time.Hour)))).UnixNano()
}

func (b *randomBooks) description() string {
	return b.pick("", "plain", "a; b", "  ; x: y", `="1"`, "(x) * !", "é, ü | 中", "-1", "'")
}

// op makes the step. That it is refused for want of funds, or because a hold is no
// more, is no matter.
func (b *randomBooks) op(step *pb.Step) bool {
	b.t.Helper()
	_, err := b.client.Ledger.Op(b.t.Context(), &pb.OpRequest{Steps: []*pb.Step{step}})
	if err != nil && !errors.Is(err, fault.Insufficient) && !errors.Is(err, fault.Conflict) {
		b.t.Fatalf("%v: %v", step, err)
	}
	return err == nil
}

func (b *randomBooks) transfer(t *pb.Transfer) {
	b.t.Helper()
	t.Id, t.Description, t.EffectiveUnixNanos = b.id(), b.description(), b.effective()
	if b.op(&pb.Step{Step: &pb.Step_Transfer{Transfer: t}}) && len(t.Shares) == 0 {
		b.paid = append(b.paid, t.Id)
	}
}

func (b *randomBooks) step() {
	asset := b.pick(bookAssets...)
	accounts := b.accounts(asset, 5)
	switch b.random.IntN(9) {
	case 0, 1:
		b.transfer(&pb.Transfer{Debit: accounts[0], Credit: accounts[1], Amount: b.amount(asset)})
	case 2:
		b.transfer(&pb.Transfer{
			Debit: accounts[0], ThenDebit: []string{accounts[1], accounts[2]}, Amount: b.amount(asset),
			Shares: []*pb.Share{{Credit: accounts[3], Weight: 1}, {Credit: accounts[4], Weight: 2}}, UpTo: true,
		})
	case 3, 4:
		b.hold(accounts[0], accounts[1], b.amount(asset), 0)
	case 5:
		if len(b.open) > 0 {
			b.capture(b.pick(b.open...))
		}
	case 6:
		if len(b.open) > 0 {
			b.op(&pb.Step{Step: &pb.Step_Release{Release: &pb.ReleaseHold{Id: b.id(), Hold: b.pick(b.open...)}}})
		}
	case 7:
		b.op(&pb.Step{Step: &pb.Step_Refund{Refund: &pb.Refund{Id: b.id(), Of: b.pick(b.paid...), Description: b.description()}}})
	case 8:
		b.exchange(asset, b.pick(bookAssets...))
	}
}

func (b *randomBooks) hold(debit, credit, amount string, lifetime uint64) string {
	id := b.id()
	if b.op(&pb.Step{Step: &pb.Step_Hold{Hold: &pb.PlaceHold{
		Id: id, Debit: debit, Credit: credit, Amount: amount, LifetimeSeconds: lifetime, Description: b.description(),
	}}}) {
		b.open = append(b.open, id)
	}
	return id
}

// capture takes all of a hold, for the payee or for others of the asset too.
func (b *randomBooks) capture(hold string) {
	answer, err := b.client.Ledger.Hold(b.t.Context(), &pb.HoldRequest{Id: hold})
	if err != nil {
		b.t.Fatal(err)
	}
	capture := &pb.CaptureHold{Id: b.id(), Hold: hold, EffectiveUnixNanos: b.effective(), Description: b.description()}
	if b.random.IntN(2) == 0 {
		capture.Shares = []*pb.Share{{Credit: answer.Credit, Weight: 1}, {Credit: bookAccount(answer.Asset, "bank"), Weight: 2}}
	}
	b.op(&pb.Step{Step: &pb.Step_Capture{Capture: capture}})
}

func (b *randomBooks) exchange(from, to string) {
	if from == to {
		return
	}
	b.op(&pb.Step{Step: &pb.Step_Exchange{Exchange: &pb.Exchange{
		Id: b.id(), Debit: b.accounts(from, 1)[0], BrokerCredit: bookAccount(from, "bank"), BrokerDebit: bookAccount(to, "bank"),
		Credit: b.accounts(to, 1)[0], Amount: "7", RateNumerator: 2, RateDenominator: 3,
		EffectiveUnixNanos: b.effective(), Description: b.description(),
	}}})
}

// expireOne places a hold and waits until it is no more.
func (b *randomBooks) expireOne() {
	b.t.Helper()
	id := b.hold(bookAccount("USD", "bank"), bookAccount("USD", "ann"), "1.25", 1)
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	again := time.NewTicker(20 * time.Millisecond)
	defer again.Stop()
	for {
		answer, err := b.client.Ledger.Hold(ctx, &pb.HoldRequest{Id: id})
		if err != nil {
			b.t.Fatalf("hold %s: got %v, want it to expire", id, err)
		}
		if answer.State == "expired" {
			return
		}
		<-again.C
	}
}

// allAccounts gives the accounts of the cluster.
func allAccounts(t *testing.T, c *client.Client) (all []*pb.AccountResponse) {
	t.Helper()
	request := &pb.AccountsRequest{Limit: 7}
	for {
		page, err := c.Ledger.Accounts(client.WithRead(t.Context(), client.Latest), request)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, page.Accounts...)
		if page.Cursor == "" {
			return all
		}
		request.Cursor = page.Cursor
	}
}
