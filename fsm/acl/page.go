package acl

import (
	"acquired/fsm/path"
	"acquired/proto/fault"
)

// Limits of a page of an answer.
const (
	DefaultPage = 1000
	MaxPage     = 10_000
)

// pageLimit gives how many lines a page has.
func pageLimit(asked uint32) (int, error) {
	switch {
	case asked == 0:
		return DefaultPage, nil
	case asked > MaxPage:
		return 0, fault.Invalid.New("limit %d: a page has 1 to %d lines, and %d when none is named", asked, MaxPage, DefaultPage)
	}
	return int(asked), nil
}

// cursorPath reads a cursor that is the last path of the page before.
func cursorPath(cursor string) (path.Path, error) {
	if cursor == "" {
		return "", nil
	}
	p, err := path.Parse(cursor)
	if err != nil {
		return "", fault.Invalid.New("the cursor is not one of an answer")
	}
	return p, nil
}
