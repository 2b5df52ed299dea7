package main

import (
	"fmt"
	"io"

	"github.com/spf13/pflag"

	"acquired/fsm/acl"
)

// limitFlag cuts a long answer. Without it, page after page is asked for.
type limitFlag struct{ most int }

func (l *limitFlag) register(flags *pflag.FlagSet) {
	flags.IntVar(&l.most, "limit", 0, "most lines; what is cut is said (default: all)")
}

// pages gathers the pages that ask gives, up to the limit; more is set when
// something was cut.
func pages[T any](l *limitFlag, ask func(cursor string, limit uint32) ([]T, string, error)) (all []T, more bool, err error) {
	if l.most < 0 {
		return nil, false, usage("--limit %d is negative", l.most)
	}
	all = []T{}
	for cursor := ""; ; {
		limit := acl.MaxPage
		if l.most > 0 {
			limit = min(limit, l.most-len(all))
		}
		var page []T
		if page, cursor, err = ask(cursor, uint32(limit)); err != nil {
			return nil, false, err
		}
		all = append(all, page...)
		switch {
		case cursor == "":
			return all, false, nil
		case l.most > 0 && len(all) >= l.most:
			return all, true, nil
		}
	}
}

// rowMore says that a table is cut.
func rowMore(w io.Writer, more bool, shown int) {
	if more {
		fmt.Fprintf(w, "\nthere is more: --limit cut it at %d\n", shown)
	}
}
