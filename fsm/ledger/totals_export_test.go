package ledger

// CreditMore gives the record of an asset with more credits posted than there were.
func CreditMore(record []byte) []byte {
	a, _ := decodeAsset(record)
	a.totals.creditsPosted, _ = a.totals.creditsPosted.Add(Amount{Lo: 1})
	return appendAsset(nil, a)
}

// SetMaxTotal makes the totals of assets full at another amount, and gives what sets
// it back. No other test may run meanwhile.
func SetMaxTotal(a Amount) (restore func()) {
	was := maxTotal
	maxTotal = a
	return func() { maxTotal = was }
}
