package ledger_test

import (
	"cmp"
	"maps"
	"math"
	"math/big"
	"slices"
	"strings"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func (l *plainLedger) createAsset(req *pb.CreateAssetRequest) *plainFault {
	if _, ok := l.scales[req.Code]; ok {
		return refuse(fault.Exists)
	}
	l.scales[req.Code] = int(req.Scale)
	return nil
}

// plainPath gives the path as it is kept; it is empty for what is no account's.
func plainPath(s string) string {
	s = strings.TrimRight(strings.Replace(s, "am://", "/", 1), "/")
	if !strings.HasPrefix(s, "/account/") || strings.Contains(s, "//") {
		return ""
	}
	return s
}

func (l *plainLedger) openAccount(req *pb.OpenAccountRequest) *plainFault {
	path := plainPath(req.Path)
	scale, known := l.scales[req.Asset]
	switch _, there := l.at[path]; {
	case path == "" || !slices.Contains([]string{"", "normal", "ephemeral", "transient"}, req.Kind):
		return refuse(fault.Invalid)
	case there:
		return refuse(fault.Exists)
	case !known:
		return refuse(fault.NotFound)
	}
	a := plainAccount{
		path: path, asset: req.Asset, kind: req.Kind, state: "open", owner: req.Owner,
		holdOverdraft: req.HoldOverdraft, metadata: make(map[string]string), opened: l.now,
		plainCounters: newPlainCounters(), version: 1,
	}
	for _, before := range l.accounts {
		if before.path == path {
			a.version = max(a.version, before.version+1)
		}
	}
	if a.kind == "" {
		a.kind = "normal"
	}
	var ok, too bool
	a.overdraft, ok = plainOverdraft(req.Overdraft, scale)
	a.ceiling, too = plainBound(req.Ceiling, scale)
	limit, fine := plainBound(req.DailyLimit, scale)
	if !ok || !too || !fine {
		return refuse(fault.Invalid)
	}
	a.dailyLimit, a.spent = limit, nothing
	for _, m := range req.Metadata {
		a.metadata[m.Key] = m.Value
	}
	l.at[path] = len(l.accounts)
	l.accounts = append(l.accounts, a)
	return nil
}

// plainOverdraft gives nil for no bound.
func plainOverdraft(s string, scale int) (overdraft *big.Int, ok bool) {
	switch s {
	case "":
		return nothing, true
	case "unlimited":
		return nil, true
	}
	overdraft = parse(s, scale)
	return overdraft, overdraft != nil
}

// plainBound reads a ceiling or a daily limit: it gives nil for no bound.
func plainBound(s string, scale int) (bound *big.Int, ok bool) {
	if s == "" {
		return nil, true
	}
	bound = parse(s, scale)
	return bound, bound != nil
}

// accountAt gives the account at a path.
func (l *plainLedger) accountAt(path string) (int, *plainFault) {
	if !isAccount(path) {
		return 0, refuse(fault.Invalid)
	}
	i, ok := l.at[plainPath(path)]
	if !ok {
		return 0, refuse(fault.NotFound)
	}
	return i, nil
}

func (l *plainLedger) changeAccount(req *pb.ChangeAccountRequest) *plainFault {
	i, f := l.accountAt(req.Path)
	if f != nil {
		return f
	}
	a := l.accounts[i]
	if a.state == "closed" || req.IfVersion != 0 && req.IfVersion != a.version {
		return refuse(fault.Conflict)
	}
	if f := l.changeLimits(&a, req); f != nil {
		return f
	}
	if req.HoldOverdraft != nil {
		a.holdOverdraft = *req.HoldOverdraft
	}
	if req.Frozen != nil {
		a.state = map[bool]string{true: "frozen", false: "open"}[*req.Frozen]
	}
	if req.Owner != nil {
		a.owner = *req.Owner
	}
	a.metadata = maps.Clone(a.metadata)
	for _, m := range req.Metadata {
		if a.metadata[m.Key] = m.Value; m.Value == "" {
			delete(a.metadata, m.Key)
		}
	}
	a.version++
	l.accounts[i] = a
	return nil
}

// changeLimits sets the limits that are given, none of them below what is used.
func (l *plainLedger) changeLimits(a *plainAccount, req *pb.ChangeAccountRequest) *plainFault {
	var ok bool
	if req.Overdraft != nil {
		if a.overdraft, ok = plainOverdraft(*req.Overdraft, l.scales[a.asset]); !ok {
			return refuse(fault.Invalid)
		}
		if a.overdraft != nil && a.available().Sign() < 0 {
			return refuse(fault.Conflict)
		}
	}
	if req.Ceiling != nil {
		if a.ceiling, ok = plainBound(*req.Ceiling, l.scales[a.asset]); !ok {
			return refuse(fault.Invalid)
		}
		if a.ceiling != nil && a.room().Sign() < 0 {
			return refuse(fault.Conflict)
		}
	}
	if req.DailyLimit != nil {
		if a.dailyLimit, ok = plainBound(*req.DailyLimit, l.scales[a.asset]); !ok {
			return refuse(fault.Invalid)
		}
	}
	return nil
}

func (l *plainLedger) closeAccount(req *pb.CloseAccountRequest) *plainFault {
	i, f := l.accountAt(req.Path)
	if f != nil {
		return f
	}
	if l.accounts[i].state == "closed" || !l.accounts[i].isEmpty() {
		return refuse(fault.Conflict)
	}
	l.accounts[i].state = "closed"
	l.accounts[i].version++
	return nil
}

func (l *plainLedger) closePeriod(req *pb.ClosePeriodRequest, principal string) *plainFault {
	if req.UntilUnixNanos <= l.closedUntil() || req.UntilUnixNanos > l.now {
		return refuse(fault.Conflict)
	}
	l.periods = append(l.periods, plainPeriod{req.Name, req.UntilUnixNanos, l.now, l.index, principal})
	return nil
}

// closedUntil is the end of the newest closed period.
func (l *plainLedger) closedUntil() int64 {
	if len(l.periods) == 0 {
		return 0
	}
	return l.periods[len(l.periods)-1].until
}

// finish is the end of a command: it takes away the ephemeral accounts that it
// left empty, and counts the versions of the accounts that it changed.
func (l *plainLedger) finish(before *plainLedger) {
	for i := range before.accounts {
		was, is := &before.accounts[i], &l.accounts[i]
		spent := is.spentToday(l.now).Cmp(was.spentToday(l.now)) != 0
		if !spent && is.sameAs(was) && l.openHolds(i) == before.openHolds(i) {
			continue
		}
		is.version++
		if is.kind == "ephemeral" && is.isEmpty() && !is.plainCounters.sameAs(&was.plainCounters) {
			is.gone, is.left = true, l.now
			delete(l.at, is.path)
		}
	}
}

// openHolds counts the open holds that reserve of an account.
func (l *plainLedger) openHolds(account int) (count int) {
	for _, h := range l.holds {
		if h.debit == account && h.ended == "" {
			count++
		}
	}
	return count
}

func (a *plainAccount) sameAs(b *plainAccount) bool {
	return a.state == b.state && a.owner == b.owner && a.holdOverdraft == b.holdOverdraft && maps.Equal(a.metadata, b.metadata) &&
		sameBound(a.overdraft, b.overdraft) && sameBound(a.ceiling, b.ceiling) && a.plainCounters.sameAs(&b.plainCounters)
}

func sameBound(a, b *big.Int) bool { return a == b || a != nil && b != nil && a.Cmp(b) == 0 }

func (c *plainCounters) sameAs(d *plainCounters) bool {
	return c.debits.Cmp(d.debits) == 0 && c.credits.Cmp(d.credits) == 0 &&
		c.debitsPending.Cmp(d.debitsPending) == 0 && c.creditsPending.Cmp(d.creditsPending) == 0
}

// due is when the first open hold expires, or the end of time.
func (l *plainLedger) due() int64 {
	first := int64(math.MaxInt64)
	for _, h := range l.holds {
		if h.ended == "" {
			first = min(first, h.expires)
		}
	}
	return first
}

// expire ends the holds that are due, before anything else happens at a log time.
func (l *plainLedger) expire() {
	before := l.clone()
	var due []plainHold
	for _, id := range l.holdOrder {
		if h := l.holds[id]; h.ended == "" && h.expires <= l.now {
			due = append(due, h)
		}
	}
	slices.SortFunc(due, func(a, b plainHold) int { return cmp.Or(cmp.Compare(a.expires, b.expires), cmp.Compare(a.id, b.id)) })
	for _, h := range due {
		l.post(plainEntry{
			kind: "expire", id: h.id, debit: h.debit, credit: h.credit, amount: h.remaining(), hold: h.id, document: h.document,
		})
	}
	l.finish(before)
}
