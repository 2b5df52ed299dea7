package ledger

// A daily limit bounds what an account spends in a day by log time. Days are those
// of UTC; what was spent is forgotten when a command of another day meets the
// account.

const day = 24 * 3600 * second

// meetDay forgets what was spent on another day.
func (a *account) meetDay(now int64) {
	if today := now / day; a.day != today && a.hasDailyLimit {
		a.day, a.spent = today, Amount{}
	}
}

// spend notes what an entry of the kind spends.
func (a *account) spend(kind entryKind, amount Amount) {
	if a.hasDailyLimit && (kind == transferred || kind == exchanged || kind == reserved) {
		a.spent, _ = a.spent.Add(amount) // below the limit, so it does not overflow
	}
}

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
func setDailyLimit(a *account, s string, scale uint8, now int64) (err error) {
	if s == "" {
		a.dailyLimit, a.hasDailyLimit, a.day, a.spent = Amount{}, false, 0, Amount{}
		return nil
	}
	if a.dailyLimit, err = ParseAmount(s, scale); err != nil {
		return in("daily_limit", err)
	}
	a.hasDailyLimit = true
	a.meetDay(now)
	return nil
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
