package main

import (
	"fmt"
	"io"

	"github.com/spf13/pflag"
)

// maxLedgerPage is the most that one answer of the ledger lists.
const maxLedgerPage = 1000

// listFlags cut a long list, which may be gone on with.
type listFlags struct {
	most   uint32
	cursor string
}

func (l *listFlags) register(flags *pflag.FlagSet) {
	flags.Uint32Var(&l.most, "limit", 1000, "most lines; 0 is all")
	flags.StringVar(&l.cursor, "cursor", "", "where to go on: the cursor of an earlier list (default: the beginning)")
}

// gather puts the pages together that ask gives, up to the limit. The cursor is
// where to go on, empty when that was all.
func gather[T any](l *listFlags, ask func(cursor string, limit uint32) ([]T, string, error)) (all []T, cursor string, err error) {
	all, cursor = []T{}, l.cursor
	for {
		limit := uint32(maxLedgerPage)
		if l.most > 0 {
			limit = min(limit, l.most-uint32(len(all)))
		}
		var page []T
		if page, cursor, err = ask(cursor, limit); err != nil {
			return nil, "", err
		}
		all = append(all, page...)
		if cursor == "" || l.most > 0 && len(all) >= int(l.most) {
			return all, cursor, nil
		}
	}
}

// rowCursor says how to see the rest of a list.
func rowCursor(w io.Writer, cursor string) {
	if cursor != "" {
		fmt.Fprintf(w, "\nmore: --cursor %s\n", cursor)
	}
}
