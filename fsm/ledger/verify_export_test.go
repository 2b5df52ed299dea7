package ledger

import (
	"strings"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	"acquired/proto/fault"
)

// Damage is what can go wrong with the records of the books that verify_test.go
// calls mixed, and what is then found, among other things.
type Damage struct {
	Name string
	Do   func(tx *kv.Tx)
	// Delete and Put are keys of what changes beside the tables, if it is not empty.
	Delete, Put string
	Want        []string
}

// Damages has one for each thing that is verified.
func Damages() []Damage {
	var all []Damage
	for _, some := range [][]Damage{
		entryDamages(), accountDamages(), assetDamages(), holdDamages(), stepDamages(), backdatedDamages(), periodDamages(), documentDamages(), auditDamages(),
		indexDamages(), textDamages(),
	} {
		all = append(all, some...)
	}
	return all
}

// entryOf gives an entry of the step.
func entryOf(r kv.Reader, name string, part int) entry { return entriesOf(r, name)[part] }

func ofEntry(name string, change func(*entry)) func(*kv.Tx) {
	return func(tx *kv.Tx) {
		e := entryOf(tx, name, 0)
		change(&e)
		entries.Put(tx, e)
	}
}

func ofAccount(at path.Path, change func(*account)) func(*kv.Tx) {
	return func(tx *kv.Tx) {
		a, _ := accountsByPath.Find(tx, at)
		change(&a)
		accounts.Put(tx, a)
	}
}

func ofHold(name string, change func(*hold)) func(*kv.Tx) {
	return func(tx *kv.Tx) {
		h, _ := findHold(tx, name)
		change(&h)
		holds.Put(tx, h)
	}
}

func ofStep(name string, change func(*step)) func(*kv.Tx) {
	return func(tx *kv.Tx) {
		s, _ := steps.Get(tx, kv.StringKey(name))
		change(&s)
		steps.Put(tx, s)
	}
}

func ofUSD(change func(*asset)) func(*kv.Tx) {
	return func(tx *kv.Tx) {
		a, _ := assets.Get(tx, "USD")
		change(&a)
		assets.Put(tx, a)
	}
}

var one = Amount{Lo: 1}

func more(a *Amount) { *a, _ = a.Add(one) }

func entryDamages() []Damage {
	return []Damage{
		{Name: "the amount of an entry", Do: ofEntry("in", func(e *entry) { more(&e.amount) }),
			Want: []string{"account /account/bank has debits 105.01 posted", "the entries of its command hash to"}},
		{Name: "what an account had after an entry", Do: ofEntry("in", func(e *entry) { more(&e.creditAfter.creditsPosted) }),
			Want: []string{"account /account/through has debits 0.00 posted 0.00 pending, credits 5.00 posted"}},
		{Name: "an entry that is gone", Do: func(tx *kv.Tx) { entries.Delete(tx, entryOf(tx, "keep", 0).id) },
			Want: []string{"its command made 2 entries, it says 3", `step "keep": it says that it made 1 entries`, "account /account/job: its entries make"}},
		{Name: "an entry too many", Do: func(tx *kv.Tx) {
			e := entryOf(tx, "keep", 0)
			e.id.Counter += 50
			entries.Put(tx, e)
		}, Want: []string{`step "keep": it made 1 entries from`}},
		{Name: "an entry behind all lines", Do: func(tx *kv.Tx) {
			e := entryOf(tx, "keep", 0)
			e.id.Index += 1000
			entries.Put(tx, e)
		}, Want: []string{"the last 1 entries have no audit line"}},
		{Name: "the kind of an entry", Do: ofEntry("hold4", func(e *entry) { e.kind = lapsed }),
			Want: []string{`it is a expire of hold "hold4", which is not open`, "account /account/b has"}},
		{Name: "an entry of no kind", Do: ofEntry("keep", func(e *entry) { e.kind = 99 }), Want: []string{"there is no kind 99"}},
		{Name: "the time of an entry", Do: ofEntry("keep", func(e *entry) { e.time = 1 }), Want: []string{"its time is 1"}},
		{Name: "an effective time behind that of the log", Do: ofEntry("keep", func(e *entry) { e.effective = e.time + 1 }),
			Want: []string{"its effective time"}},
		{Name: "an effective time in a closed period", Do: ofEntry("keep", func(e *entry) { e.effective = entryEffective + 1 }),
			Want: []string{"is in a period that was closed", "among those with an effective time"}},
		{Name: "an entry of an unknown account", Do: ofEntry("keep", func(e *entry) { e.credit.Index = 9999 }), Want: []string{"an account that it names is unknown"}},
		{Name: "an entry into another asset", Do: func(tx *kv.Tx) {
			e := entryOf(tx, "keep", 0)
			a, _ := accountsByPath.Find(tx, "/account/unused")
			e.credit = a.id
			entries.Put(tx, e)
		}, Want: []string{"it moves USD from /account/bank to /account/unused of EUR"}},
		{Name: "the part of an entry", Do: ofEntry("keep", func(e *entry) { e.part = 3 }), Want: []string{`it is part 3 of step "keep"`}},
		{Name: "the hold of an entry", Do: ofEntry("c3", func(e *entry) { e.hold = "hold4" }),
			Want: []string{`hold "hold3": its entries make it captured 0.00, it says 3.00`, `hold "hold4": its entries make it captured 3.00, it says 0.00`}},
		{Name: "the accounts of an entry of a hold", Do: func(tx *kv.Tx) {
			e, a := entryOf(tx, "c3", 0), entryOf(tx, "opening", 0)
			e.debit = a.credit
			entries.Put(tx, e)
		}, Want: []string{`it is between other accounts than hold "hold3"`}},
		{Name: "a capture of more than was held", Do: ofEntry("c3", func(e *entry) { e.amount = Amount{Lo: 5000} }),
			Want: []string{`more becomes of hold "hold3" than was held`}},
	}
}

// entryEffective is before all log times.
const entryEffective = 1

func accountDamages() []Damage {
	return []Damage{
		{Name: "what an account has posted", Do: ofAccount("/account/a", func(a *account) { more(&a.debitsPosted) }),
			Want: []string{"account /account/a: its entries make debits 100.00 posted", "asset USD: it does not balance"}},
		{Name: "what of an account is pending", Do: ofAccount("/account/b", func(a *account) { more(&a.debitsPending) }),
			Want: []string{"account /account/b: open holds reserve"}},
		{Name: "what was spent today", Do: ofAccount("/account/b", func(a *account) { more(&a.spent) }),
			Want: []string{"account /account/b: its entries spend 59.00 on day", "it says 59.01"}},
		{Name: "the day of spending", Do: ofAccount("/account/b", func(a *account) { a.day++ }), Want: []string{"account /account/b: its day is"}},
		{Name: "the path of an account", Do: ofAccount("/account/unused", func(a *account) { a.path = "/account/used" }),
			Want: []string{"account /account/used: the tree has no account there"}},
		{Name: "the version of an account", Do: ofAccount("/account/unused", func(a *account) { a.version++ }),
			Want: []string{"account /account/unused: 3 commands changed it from version 0 on, its version is 4"}},
		{Name: "an overdraft below use", Do: ofAccount("/account/bank", func(a *account) { a.unlimited = false }),
			Want: []string{"account /account/bank uses"}},
		{Name: "a ceiling below the balance", Do: ofAccount("/account/b", func(a *account) { a.hasCeiling = true }),
			Want: []string{"account /account/b is", "above a ceiling of 0.00"}},
		{Name: "a transient account that is not empty", Do: ofAccount("/account/b", func(a *account) { a.kind = transient }),
			Want: []string{"account /account/b: it is transient and open, and not empty"}},
		{Name: "a closed account that is not empty", Do: ofAccount("/account/b", func(a *account) { a.state = closed }),
			Want: []string{"account /account/b: it is normal and closed, and not empty"}},
		{Name: "an ephemeral account that is empty", Do: ofAccount("/account/through", func(a *account) { a.kind = ephemeral }),
			Want: []string{"account /account/through: it is ephemeral, was used and is empty"}},
		{Name: "an account of no kind", Do: ofAccount("/account/b", func(a *account) { a.kind = 9 }), Want: []string{"account /account/b: there is no kind 9"}},
		{Name: "an account that is missing", Do: func(tx *kv.Tx) {
			a, _ := accountsByPath.Find(tx, "/account/low")
			accounts.Delete(tx, a.id)
		}, Want: []string{"an account that it names is unknown", "its account is not there", "it has 5 accounts"}},
		{Name: "an account that is gone and there", Do: func(tx *kv.Tx) {
			a, _ := accountsByPath.Find(tx, "/account/unused")
			gone.Insert(tx, a)
		}, Want: []string{"account /account/unused: it is gone, and is there", "1 accounts went in the course of it, 2 are gone and for 1 it is kept when"}},
		{Name: "what an account had that is gone", Do: func(tx *kv.Tx) {
			a, _ := first(gone.All(tx))
			more(&a.creditsPosted)
			gone.Put(tx, a)
		}, Want: []string{"account /account/brief: it went at index", "it says debits 1.00 posted 0.00 pending, credits 1.01 posted"}},
	}
}

func assetDamages() []Damage {
	return []Damage{
		{Name: "the totals of an asset", Do: ofUSD(func(a *asset) { more(&a.totals.creditsPosted) }), Want: []string{"asset USD: its accounts have"}},
		{Name: "the accounts of an asset", Do: ofUSD(func(a *asset) { a.accounts++ }), Want: []string{"asset USD: it has 6 accounts and 30 entries that post, it says 7 and 30"}},
		{Name: "the scale of an asset", Do: ofUSD(func(a *asset) { a.scale++ }), Want: []string{`no line that says "create USD, scale 3"`}},
		{Name: "the entries of an asset", Do: ofUSD(func(a *asset) { a.transfers++ }), Want: []string{"it says 6 and 31"}},
		{Name: "an asset that is missing", Do: func(tx *kv.Tx) { assets.Delete(tx, "EUR") }, Want: []string{"they hold 1 assets that there are not"}},
	}
}

func holdDamages() []Damage {
	return []Damage{
		{Name: "what is held", Do: ofHold("hold4", func(h *hold) { more(&h.held) }),
			Want: []string{`hold "hold4": its entries make it held 11.00, it says 11.01`, "account /account/b: open holds reserve"}},
		{Name: "what was captured", Do: ofHold("hold1", func(h *hold) { more(&h.captured) }), Want: []string{`hold "hold1": its entries make it captured 5.00, it says 5.01`}},
		{Name: "the state of a closed hold", Do: ofHold("hold2", func(h *hold) { h.state = holdExpired }),
			Want: []string{`hold "hold2": nothing of it remains and it ends released, it says that it is expired`}},
		{Name: "a hold in no state", Do: ofHold("hold2", func(h *hold) { h.state = 77 }), Want: []string{"it says that it is in no state"}},
		{Name: "a hold that is open again", Do: ofHold("hold2", func(h *hold) { h.state = holdOpen }), Want: []string{`hold "hold2": nothing of it remains, it says that it is open`}},
		{Name: "an open hold that is closed", Do: ofHold("hold4", func(h *hold) { h.state = holdReleased }),
			Want: []string{`hold "hold4": something of it remains, it says that it is released`, `hold "hold4": it is to lapse`}},
		{Name: "the accounts of a hold", Do: ofHold("hold4", func(h *hold) { h.debit, h.credit = h.credit, h.debit }),
			Want: []string{`hold "hold4": it is not between the accounts of entry`}},
		{Name: "a hold that is missing", Do: func(tx *kv.Tx) { holds.Delete(tx, "hold2") }, Want: []string{`hold "hold2": entry`, "there is no such hold"}},
		{Name: "a hold that nobody placed", Do: ofHold("hold2", func(h *hold) { h.name = "more" }), Want: []string{`hold "more": no entry placed it`}},
		{Name: "the expiry of a hold", Do: ofHold("hold4", func(h *hold) { h.expires++ }),
			Want: []string{`hold "hold4": nothing makes it lapse`, `hold "hold4": it is to lapse at`}},
		{Name: "a hold that did not expire", Do: ofHold("hold4", func(h *hold) { h.expires = h.placed + 1 }), Want: []string{`hold "hold4": it expired at`}},
		{Name: "a lapse of no hold", Do: func(tx *kv.Tx) { lapses.Put(tx, lapse{1, "hold9"}) }, Want: []string{`hold "hold9": it is to lapse at 1`}},
		{Name: "the asset of a hold", Do: ofHold("hold4", func(h *hold) { h.asset = "BIG" }),
			Want: []string{`hold "hold4": it is of {Asset:BIG `, `which placed it, of {Asset:USD `}},
		{Name: "the document of a hold", Do: ofHold("hold4", func(h *hold) { h.document = "cheque1" }),
			Want: []string{`hold "hold4": it is of {Asset:USD `, ` Document:cheque1 `, ` Document: `}},
		{Name: "the time of a hold", Do: ofHold("hold4", func(h *hold) { h.placed = 5 }),
			Want: []string{`hold "hold4": it is of {Asset:USD Placed:1970-01-01T00:00:00.000000005Z `}},
		{Name: "the description of a hold", Do: ofHold("hold4", func(h *hold) { h.description = "more" }),
			Want: []string{` Description:"more"}, entry `, ` Description:""}`}},
		{Name: "the origin of a hold that is closed", Do: ofHold("hold2", func(h *hold) { h.placed++ }), Want: []string{`hold "hold2": it is of {`}},
		{Name: "a payout that is not of the hold", Do: func(tx *kv.Tx) {
			e := entryOf(tx, "c1", 1)
			e.hold = ""
			entries.Put(tx, e)
		}, Want: []string{`hold "hold1": something of it remains`}},
	}
}

func stepDamages() []Damage {
	return []Damage{
		{Name: "how many entries a step made", Do: ofStep("split", func(s *step) { s.entries++ }), Want: []string{`step "split": it made 3 entries`, "it says 4"}},
		{Name: "the first entry of a step", Do: ofStep("keep", func(s *step) { s.first.Counter++ }), Want: []string{`step "keep": it made 1 entries`}},
		{Name: "a step that is missing", Do: func(tx *kv.Tx) { steps.Delete(tx, "keep") }, Want: []string{`step "keep": it made entry`, "there is no such step"}},
		{Name: "a step without its entries", Do: ofStep("keep", func(s *step) { s.name = "more" }), Want: []string{`step "more": it says that it made 1 entries`}},
		{Name: "a plain transfer without an entry", Do: ofStep("keep", func(s *step) { s.name, s.entries = "more", 0 }),
			Want: []string{`step "more": it is a transfer and made no entry`}},
		{Name: "a failure of what was made", Do: func(tx *kv.Tx) {
			failures.Put(tx, failure{name: "keep", kind: "transfer", refusal: fault.Conflict.New("no")})
		}, Want: []string{`step "keep": it was made, and its failure is kept`}},
	}
}

func backdatedDamages() []Damage {
	ofSum := func(level uint8, change func(*backdatedSum)) func(*kv.Tx) {
		return func(tx *kv.Tx) {
			e := entryOf(tx, "late0", 0)
			s, _ := backdatedSums.Get(tx, keyAt(e.credit, level, e.effective))
			change(&s)
			backdatedSums.Put(tx, s)
		}
	}
	var all []Damage
	for _, level := range []uint8{0, 1, wholeLevel} {
		all = append(all, Damage{Name: "a sum of level " + string('0'+rune(level)), Do: ofSum(level, func(s *backdatedSum) { more(&s.credits) }),
			Want: []string{", is not what is kept of it"}})
	}
	return append(all,
		Damage{Name: "a sum too many", Do: ofSum(1, func(s *backdatedSum) { s.key.prefix += 50 }),
			Want: []string{"have sums in 6 nanoseconds and 18 above them, kept are 6 and 19"}},
		Damage{Name: "a sum of a nanosecond too many", Do: ofSum(0, func(s *backdatedSum) { s.key.prefix += 50 }),
			Want: []string{"is not what is kept of it", "kept are 7 and"}},
		Damage{Name: "an entry that is not in the order of effective time", Do: func(tx *kv.Tx) {
			e := entryOf(tx, "late1", 0)
			backdatedEntries.Delete(tx, backdatedKey{e.effective, e.id})
		}, Want: []string{"it is missing, or between other accounts", "4 entries have an effective time of their own, kept for them are 3 records"}},
		Damage{Name: "what a nanosecond has", Do: func(tx *kv.Tx) {
			e := entryOf(tx, "late2", 0)
			b, _ := backdatedEntries.Get(tx, backdatedKey{e.effective, e.id})
			more(&b.creditSum.credits)
			backdatedEntries.Put(tx, b)
		}, Want: []string{"what is effective in its nanosecond up to it is not what is kept"}},
		Damage{Name: "a run", Do: func(tx *kv.Tx) {
			e := entryOf(tx, "late2", 0)
			r, _ := backdatedRuns.Get(tx, runKey{e.debit, e.id})
			more(&r.debits)
			backdatedRuns.Put(tx, r)
		}, Want: []string{"up to it 3.00 debits and 0.00 credits of what account /account/bank posted is back-dated, its run says 3.01 debits"}},
		Damage{Name: "a run too many", Do: func(tx *kv.Tx) {
			backdatedRuns.Put(tx, backdatedRun{key: runKey{command.ID{Index: 1}, command.ID{Index: 1}}})
		}, Want: []string{"4 records and 9 sums"}},
		Damage{Name: "a record of no entry", Do: func(tx *kv.Tx) {
			backdatedEntries.Put(tx, backdated{key: backdatedKey{7, command.ID{Index: 7777}}})
		}, Want: []string{"entry 7777.0 is among those with an effective time, and is not there"}},
	)
}

func periodDamages() []Damage {
	ofPeriod := func(change func(*period)) func(*kv.Tx) {
		return func(tx *kv.Tx) {
			p, _ := first(periods.All(tx))
			periods.Delete(tx, periodKey(p.until))
			change(&p)
			periods.Put(tx, p)
		}
	}
	return []Damage{
		{Name: "a period that is gone", Do: func(tx *kv.Tx) {
			p, _ := first(periods.All(tx))
			periods.Delete(tx, periodKey(p.until))
		}, Want: []string{`no such period is closed: close the time up to 20`, `the period "first"`}},
		{Name: "a period that ends before", Do: ofPeriod(func(p *period) { p.until -= 300 }),
			Want: []string{"000500Z, the period \"first\", what was closed at index", "000200Z, the period \"first\""}},
		{Name: "the name of a period", Do: ofPeriod(func(p *period) { p.name = "other" }), Want: []string{`the period "first", what was closed`, `the period "other"`}},
		{Name: "the index of a period", Do: ofPeriod(func(p *period) { p.index++ }), Want: []string{`the period "first", what was closed at index`}},
		{Name: "a period too many", Do: func(tx *kv.Tx) { periods.Put(tx, period{until: 7, name: "more"}) },
			Want: []string{"periods: 2 are closed, the audit log has lines of 1"}},
	}
}

func documentDamages() []Damage {
	ofCheque := func(name string, change func(*cheque)) func(*kv.Tx) {
		return func(tx *kv.Tx) {
			c, _ := cheques.Get(tx, kv.StringKey(name))
			change(&c)
			cheques.Put(tx, c)
		}
	}
	ofInvoice := func(name string, change func(*invoice)) func(*kv.Tx) {
		return func(tx *kv.Tx) {
			i, _ := invoices.Get(tx, kv.StringKey(name))
			change(&i)
			invoices.Put(tx, i)
		}
	}
	ofDocument := func(name string, change func(*document)) func(*kv.Tx) {
		return func(tx *kv.Tx) {
			d, _ := findDocument(tx, name)
			change(&d)
			documents.Put(tx, d)
		}
	}
	ofRefund := func(of string, change func(*givenBack)) func(*kv.Tx) {
		return func(tx *kv.Tx) {
			g, _ := refunds.Get(tx, entryOf(tx, of, 0).id)
			change(&g)
			refunds.Put(tx, g)
		}
	}
	return []Damage{
		{Name: "the text of a document", Do: ofDocument("cheque1", func(d *document) { d.text += "more: 1\n" }), Want: []string{`document "cheque1": its text hashes to`}},
		{Name: "the hash of a document", Do: ofDocument("receipt", func(d *document) { d.hash = "x" }), Want: []string{`document "receipt": its text hashes to`, `it says "x"`}},
		{Name: "who a document names", Do: ofDocument("cheque1", func(d *document) { d.parties[1].path = "/user/x" }),
			Want: []string{`document "cheque1": its principals are /user/operator#`, ` /user/x#`, `its text names [/user/operator /user/operator]`}},
		{Name: "which of the name a document names", Do: ofDocument("cheque1", func(d *document) { d.parties[1].born-- }),
			Want: []string{`cheque "cheque1": it is by and for /user/operator#0 /user/operator#`}},
		{Name: "which of the name a receipt names", Do: ofDocument("receipt", func(d *document) { d.parties[0].born += 1 << 32 }),
			Want: []string{`document "receipt": its principals are /user/operator#`}},
		{Name: "the delegate of a receipt", Do: ofDocument("receipt", func(d *document) { d.parties[1].born-- }),
			Want: []string{`the delegate of its hold is /user/operator#`}},
		{Name: "who may cash a cheque", Do: ofCheque("cheque1", func(c *cheque) { c.recipient.born++ }), Want: []string{`cheque "cheque1": it is by and for`}},
		{Name: "who wrote a cheque", Do: ofCheque("cheque1", func(c *cheque) { c.writer.path = "/user/x" }), Want: []string{`cheque "cheque1": it is by and for /user/x#0`}},
		{Name: "an account that a document names", Do: func(tx *kv.Tx) {
			other, _ := findDocument(tx, "exchange")
			ofDocument("cheque1", func(d *document) { d.accounts[0] = other.accounts[1] })(tx)
		}, Want: []string{`document "cheque1": it is listed with account /account/b`, `document "cheque1": its text names account /account/bank, with which it is not listed`}},
		{Name: "what a cheque is for", Do: ofCheque("cheque3", func(c *cheque) { c.resource = "more" }),
			Want: []string{`document "cheque3": its text has the resource "\"r\"", its record "\"more\""`}},
		{Name: "how often a cheque can be cashed", Do: ofCheque("cheque1", func(c *cheque) { c.uses = 9 }),
			Want: []string{`document "cheque1": its text has the uses "3", its record "9"`}},
		{Name: "when an invoice is due", Do: ofInvoice("invoice1", func(i *invoice) { i.due = 7 }),
			Want: []string{`document "invoice1": its text has the due "", its record "1970-01-01T00:00:00.000000007Z"`}},
		{Name: "a deadline that is missing", Do: func(tx *kv.Tx) {
			c, _ := cheques.Get(tx, kv.StringKey("cheque1"))
			deadlines.Delete(tx, deadline{c.expires, c.name})
		}, Want: []string{`document "cheque1": nothing is kept of its deadline`}},
		{Name: "a deadline of nothing", Do: func(tx *kv.Tx) { deadlines.Put(tx, deadline{1, "cheque9"}) },
			Want: []string{"have a deadline, and"}},
		{Name: "what was cashed", Do: ofCheque("cheque1", func(c *cheque) { more(&c.cashed) }),
			Want: []string{`cheque "cheque1": its entries cash 4.00 in 2 uses, it says 4.01 in 2`}},
		{Name: "how often a spent cheque was cashed", Do: ofCheque("cheque2", func(c *cheque) { c.used = 2 }),
			Want: []string{`cheque "cheque2": its entries cash 2.00 in 1 uses, it says 2.00 in 2`}},
		{Name: "a cheque that is spent and was not cashed", Do: ofCheque("cheque3", func(c *cheque) { c.used, c.version = 1, 3 }),
			Want: []string{"cheques: there are 3, 2 of them spent, for 3 documents, and entries that spend 1"}},
		{Name: "the ceiling of a cheque", Do: ofCheque("cheque1", func(c *cheque) { c.ceiling = Amount{Lo: 300} }),
			Want: []string{`cheque "cheque1": 4.00 was cashed of it in 2 uses, its most is 3.00 in 3`}},
		{Name: "the expiry of a cheque", Do: ofCheque("cheque1", func(c *cheque) { c.expires = 1 }), Want: []string{`it cashes cheque "cheque1", which is of another account or had expired`}},
		{Name: "the version of a cheque", Do: ofCheque("cheque3", func(c *cheque) { c.version++ }), Want: []string{`cheque "cheque3": it was changed by 2 steps, its version is 3`}},
		{Name: "a cheque that is missing", Do: func(tx *kv.Tx) { cheques.Delete(tx, "cheque1") },
			Want: []string{`there is no document "cheque1"`, "cheques: there are 2, 1 of them spent, for 3 documents"}},
		{Name: "what was paid of an invoice", Do: ofInvoice("invoice1", func(i *invoice) { more(&i.paid) }),
			Want: []string{`invoice "invoice1": its entries make it 5.00, 3.00 paid and 0.00 credited in 2 steps, it says 5.00, 3.01 and 0.00 in 2`}},
		{Name: "what was credited of an invoice", Do: ofInvoice("invoice2", func(i *invoice) { more(&i.credited) }),
			Want: []string{`invoice "invoice2": its entries make it 5.00, 4.00 paid and 1.00 credited in 3 steps`}},
		{Name: "an invoice that is void", Do: ofInvoice("invoice2", func(i *invoice) { i.void = true }),
			Want: []string{`invoice "invoice2": of 5.00 4.00 was paid and 1.00 credited, and it is void: true`}},
		{Name: "the accounts of an invoice", Do: ofInvoice("invoice1", func(i *invoice) { i.revenue.Index++ }),
			Want: []string{`it is between other accounts than invoice "invoice1"`}},
		{Name: "an invoice that is settled", Do: ofInvoice("invoice1", func(i *invoice) { i.name, i.paid = "more", i.total }),
			Want: []string{"invoices: there are 4, 3 of them settled, for 3 documents, and entries that settle 2"}},
		{Name: "an entry of no step of an invoice", Do: ofStep("pay1", func(s *step) { s.kind = "hold" }), Want: []string{`step "pay1" does nothing to invoice "invoice1"`}},
		{Name: "what was refunded", Do: ofRefund("late1", func(g *givenBack) { more(&g.amount) }), Want: []string{`step "late1": 0.40 of it was refunded, kept is 0.41`}},
		{Name: "what was refunded as a whole", Do: ofRefund("late2", func(g *givenBack) { more(&g.amount) }), Want: []string{`step "late2": 1.00 of it was refunded, kept is 1.01`}},
		{Name: "a refund that is not kept", Do: func(tx *kv.Tx) { refunds.Delete(tx, entryOf(tx, "late1", 0).id) },
			Want: []string{"refunds: of 1 entries nothing is kept; 1 were refunded as a whole, kept are 1"}},
		{Name: "a refund of no entry", Do: ofRefund("late1", func(g *givenBack) { g.entry.Index = 9999 }), Want: []string{"there is no such entry"}},
		{Name: "a refund of something else", Do: ofEntry("refund1", func(e *entry) { e.of = "opening" }), Want: []string{`it refunds what step "opening" did not move`}},
		{Name: "a refund of more than was moved", Do: ofEntry("refund1", func(e *entry) { e.amount = Amount{Lo: 101} }),
			Want: []string{`step "late1": 1.01 of it was refunded, it moved 1.00`}},
		{Name: "an account that went at another time", Do: func(tx *kv.Tx) {
			d, _ := first(departures.All(tx))
			departures.Delete(tx, d.key)
			d.key.index++
			departures.Put(tx, d)
		}, Want: []string{"account /account/brief: it is gone, and that it went is not kept where its entries end"}},
	}
}

func auditDamages() []Damage {
	ofLine := func(change func(*auditLine)) func(*kv.Tx) {
		return func(tx *kv.Tx) {
			e := entryOf(tx, "split", 0)
			l, _ := first(auditsBehind(tx, e.id))
			change(&l)
			audits.Put(tx, l)
		}
	}
	return []Damage{
		{Name: "who did something", Do: ofLine(func(l *auditLine) { l.principal = "/user/other" }), Want: []string{"the chain gives the hash"}},
		{Name: "what was done", Do: ofLine(func(l *auditLine) { l.what += "." }), Want: []string{"the chain gives the hash"}},
		{Name: "the time of a line", Do: ofLine(func(l *auditLine) { l.time = 5 }), Want: []string{"its time, 1970-01-01T00:00:00.000000005Z, is before"}},
		{Name: "the hash of a line", Do: ofLine(func(l *auditLine) { l.hash = "x" }), Want: []string{"the chain gives the hash", "it says 78"}},
		{Name: "how many entries a line has", Do: ofLine(func(l *auditLine) { l.entries++ }), Want: []string{"its command made 5 entries, it says 6"}},
		{Name: "the hash of the entries of a line", Do: ofLine(func(l *auditLine) { l.digest = "y" }), Want: []string{"the entries of its command hash to", "it says 79"}},
		{Name: "a line that is missing", Do: func(tx *kv.Tx) {
			l, _ := first(auditsBehind(tx, entryOf(tx, "split", 0).id))
			audits.Delete(tx, l.id)
		}, Want: []string{"its command made 6 entries, it says 1", "the chain ends with", "after 32 lines"}},
		{Name: "the last lines", Do: func(tx *kv.Tx) {
			for _, l := range lastLines(tx, 2) {
				audits.Delete(tx, l.id)
			}
		}, Want: []string{"after 31 lines, its head says", "after 33"}},
		{Name: "the head of the chain", Do: func(tx *kv.Tx) { auditHeads.Delete(tx, theAuditHead) }, Want: []string{"its head says  after 0"}},
	}
}

func lastLines(r kv.Reader, n int) (all []auditLine) {
	for l := range audits.All(r) {
		all = append(all, l)
	}
	return all[len(all)-n:]
}

func indexDamages() []Damage {
	return []Damage{
		{Name: "an index of entries", Delete: "ledger/entry_by_account\x00", Want: []string{"index ledger/entry_by_account has no entry"}},
		{Name: "an index of entries with effective time", Delete: "ledger/backdated_by_account\x00", Want: []string{"index ledger/backdated_by_account has no entry"}},
		{Name: "an index of holds", Delete: "ledger/hold_by_account\x00", Want: []string{"index ledger/hold_by_account has no entry"}},
		{Name: "an index of lines by principal", Delete: "ledger/audit_by_principal\x00", Want: []string{"index ledger/audit_by_principal has no entry"}},
		{Name: "an index of lines by account", Delete: "ledger/audit_by_account\x00", Want: []string{"index ledger/audit_by_account has no entry"}},
		{Name: "an index of accounts that are gone", Delete: "ledger/account_gone_by_path\x00", Want: []string{"index ledger/account_gone_by_path has no entry"}},
		{Name: "an entry of an index too many", Put: "ledger/hold_by_account\x00xyz", Want: []string{`index ledger/hold_by_account: entry "xyz" is of no record`}},
		{Name: "a record that is none", Put: "ledger/hold\x00hold2\x00", Want: []string{`the state cannot be read further: state: table ledger/hold: key "ledger/hold\x00hold2\x00"`}},
	}
}

// textDamages are of texts that are found, and that no message can hold as they are.
func textDamages() []Damage {
	return []Damage{
		{Name: "a bit of a path", Do: ofAccount("/account/b", func(a *account) { a.path = "/account/\xe2" }), Want: []string{"/account/?"}},
		{Name: "a bit of an asset", Do: ofHold("hold4", func(h *hold) { h.asset = "US\xc4" }), Want: []string{`hold "hold4": it is of {Asset:US? `}},
		{Name: "an asset of much", Do: ofHold("hold4", func(h *hold) { h.asset = strings.Repeat("é", 1000) }), Want: []string{"éé..."}},
		{Name: "an asset of much, and one byte", Do: ofHold("hold4", func(h *hold) { h.asset = "x" + strings.Repeat("é", 1000) }), Want: []string{"éé..."}},
		{Name: "a bit of the key of an index", Put: "ledger/hold_by_account\x00\xff\xfe", Want: []string{"index ledger/hold_by_account: entry"}},
		{Name: "a bit of a record that is none", Put: "ledger/hold\x00\xff\xfe\x00", Want: []string{"the state cannot be read further: "}},
	}
}

// DropSteps takes all steps away.
func DropSteps(engine kv.Engine) {
	tx := kv.Open(engine, &Schema, &tree.Schema).Begin()
	for s := range steps.All(tx) {
		steps.Delete(tx, kv.StringKey(s.name))
	}
	tx.Commit()
}
