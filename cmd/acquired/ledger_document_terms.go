package main

import (
	"fmt"
	"slices"
	"strings"

	"acquired/client"
)

// documentTerms are the terms of a document by their keys. A value is a string, or
// for a key of listedTerms a list of them.
type documentTerms map[string]any

// listedTerms may have more than one value.
var listedTerms = []string{"line", "paid", "entry"}

func termsOf(fields []client.DocumentField) documentTerms {
	terms := make(documentTerms)
	for _, f := range fields {
		if !slices.Contains(listedTerms, f.Key) {
			terms[f.Key] = f.Value
			continue
		}
		values, _ := terms[f.Key].([]string)
		terms[f.Key] = append(values, f.Value)
	}
	return terms
}

// value gives that of a key that has one, or "".
func (t documentTerms) value(key string) string {
	value, _ := t[key].(string)
	return value
}

// about says in a line what a document promises, demands or states, who has to do
// with it, and how much of it is left.
func (d *document) about() string {
	term := d.Terms.value
	switch d.Type {
	case "cheque":
		return fmt.Sprintf("%s %s for %s until %s, %s cashed",
			term("ceiling"), term("asset"), term("recipient"), wholeSeconds(term("expires")), d.Cashed)
	case "invoice":
		return d.aboutInvoice()
	case "receipt":
		return fmt.Sprintf("%s %s of hold %s to %s, %s remaining",
			term("captured"), term("asset"), term("hold"), term("credit"), term("remaining"))
	case "refund":
		return fmt.Sprintf("%s %s of %s to %s", term("amount"), term("asset"), term("of"), term("credit"))
	case "exchange":
		return fmt.Sprintf("%s %s for %s %s at %s, remainder %s",
			term("given"), term("given_asset"), term("got"), term("got_asset"), term("rate"), term("remainder"))
	}
	return "-"
}

// aboutInvoice is about of an invoice, which need not say who pays, nor when.
func (d *document) aboutInvoice() string {
	about := d.Terms.value("total") + " " + d.Terms.value("asset")
	if payer := d.Terms.value("payer"); payer != "" {
		about += " from " + payer
	}
	if due := d.Terms.value("due"); due != "" {
		about += ", due " + wholeSeconds(due)
	}
	return about + ", " + d.Open + " open"
}

// wholeSeconds is a time without its fraction of a second, for a table.
func wholeSeconds(instant string) string {
	whole, _, fraction := strings.Cut(instant, ".")
	if !fraction {
		return instant
	}
	return whole + "Z"
}
