package ledger

// SetMaxTotal makes the totals of assets full at another amount, and gives what sets
// it back. No other test may run meanwhile.
func SetMaxTotal(a Amount) (restore func()) {
	was := maxTotal
	maxTotal = a
	return func() { maxTotal = was }
}
