package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"acquired/client"
)

func TestTermsOf(t *testing.T) {
	t.Parallel()
	got := termsOf([]client.DocumentField{
		{Key: "id", Value: "r-1"},
		{Key: "captured", Value: "1.00"},
		{Key: "paid", Value: "/account/a 1.00"},
		{Key: "entry", Value: "7.1 run /account/a 0.40"},
		{Key: "entry", Value: "9.1 end /account/a 0.60"},
	})
	want := documentTerms{
		"id":       "r-1",
		"captured": "1.00",
		"paid":     []string{"/account/a 1.00"},
		"entry":    []string{"7.1 run /account/a 0.40", "9.1 end /account/a 0.60"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("terms differ (-want +got):\n%s", diff)
	}
}

func TestDocumentAbout(t *testing.T) {
	t.Parallel()
	tests := []struct {
		document document
		want     string
	}{
		{document{Type: "cheque", Cashed: "9.00", Terms: documentTerms{
			"ceiling": "15.00", "asset": "USD", "recipient": "/workload/storage", "expires": "2026-11-29T18:39:17.102019309Z",
		}}, "15.00 USD for /workload/storage until 2026-11-29T18:39:17Z, 9.00 cashed"},
		{document{Type: "invoice", Open: "5.00", Terms: documentTerms{"total": "10.00", "asset": "USD"}}, "10.00 USD, 5.00 open"},
		{document{Type: "invoice", Open: "5.00", Terms: documentTerms{
			"total": "10.00", "asset": "USD", "payer": "/account/physics", "due": "2026-12-01T00:00:00Z",
		}}, "10.00 USD from /account/physics, due 2026-12-01T00:00:00Z, 5.00 open"},
		{document{Type: "receipt", Terms: documentTerms{
			"captured": "12.34", "asset": "USD", "hold": "job-17", "credit": "/account/centre", "remaining": "1.00",
		}}, "12.34 USD of hold job-17 to /account/centre, 1.00 remaining"},
		{document{Type: "refund", Terms: documentTerms{
			"amount": "2.34", "asset": "USD", "of": "job-17-end", "credit": "/account/physics",
		}}, "2.34 USD of job-17-end to /account/physics"},
		{document{Type: "exchange", Terms: documentTerms{
			"given": "10.01", "given_asset": "USD", "got": "9.10", "got_asset": "EUR", "rate": "91/100", "remainder": "91/100",
		}}, "10.01 USD for 9.10 EUR at 91/100, remainder 91/100"},
	}
	for _, test := range tests {
		if got := test.document.about(); got != test.want {
			t.Errorf("%s: got %q, want %q", test.document.Type, got, test.want)
		}
	}
}
