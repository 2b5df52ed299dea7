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
