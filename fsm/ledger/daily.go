package ledger

// A daily limit bounds what an account spends in a day by log time. Days are those
// of UTC. What was spent is counted without a limit, too: one that is set in the
// course of a day is of the whole day.

const day = 24 * 3600 * second

// meetDay forgets what was spent on another day.
func (a *account) meetDay(now int64) {
	if today := now / day; a.day != today {
		a.day, a.spent = today, Amount{}
	}
}

// spend notes what an entry of the kind spends. There is no limit above MaxAmount,
// so it need not count further.
func (a *account) spend(kind entryKind, amount Amount) {
	if kind.spends() && !grow(&a.spent, amount) {
		a.spent = MaxAmount
	}
}

// spends says whether who pays spends by an entry of the kind. What is captured was
// spent when it was reserved; to give back is not to spend.
func (k entryKind) spends() bool { return k == transferred || k == exchanged || k == reserved }

// leftToday is what the daily limit leaves; ok is false when there is none.
func (a *account) leftToday() (amount Amount, ok bool) {
	if !a.hasDailyLimit {
		return Amount{}, false
	}
	amount, ok = a.dailyLimit.Sub(a.spent)
	if !ok {
		return Amount{}, true // the limit was lowered since
	}
	return amount, true
}

// setDailyLimit sets the limit that s says; empty takes it away.
func setDailyLimit(a *account, s string, scale uint8) (err error) {
	a.hasDailyLimit = s != ""
	if s == "" {
		a.dailyLimit = Amount{}
		return nil
	}
	a.dailyLimit, err = ParseAmount(s, scale)
	return in("daily_limit", err)
}

// spendable is what may still be spent: what is available, as far as the day's
// limit allows.
func (a *account) spendable() (amount Amount, ok bool) {
	amount, ok = a.available()
	return a.boundedToday(amount, ok)
}

// spendableByHold is spendable for holds.
func (a *account) spendableByHold(overdraft bool) (amount Amount, ok bool) {
	amount, ok = a.availableForHold(overdraft)
	return a.boundedToday(amount, ok)
}

func (a *account) boundedToday(amount Amount, bounded bool) (Amount, bool) {
	left, limited := a.leftToday()
	if limited && (!bounded || left.Cmp(amount) < 0) {
		return left, true
	}
	return amount, bounded
}
