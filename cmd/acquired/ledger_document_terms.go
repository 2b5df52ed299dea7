package main

import (
	"slices"

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
