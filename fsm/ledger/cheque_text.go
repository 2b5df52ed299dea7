package ledger

import "strconv"

// chequeTerms writes a cheque as document.go says.
func (o *operation) chequeTerms(c *cheque, p *page, description string) *terms {
	t := o.begin(chequeDocument)
	t.account("account", &p.account)
	t.line("asset", c.asset)
	t.party("recipient", c.recipient)
	t.line("resource", strconv.QuoteToASCII(c.resource))
	t.line("ceiling", c.ceiling.Format(p.section.scale))
	t.line("uses", strconv.FormatUint(uint64(c.uses), 10))
	t.line("expires", instant(c.expires))
	t.description(description)
	return t
}
