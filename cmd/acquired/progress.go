package main

import (
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// progressWidth is that of the bar, in characters.
const progressWidth = 40

// progress is a line on a terminal that says how far the work is. On anything
// else it says nothing.
type progress struct {
	w     io.Writer
	what  string
	total int
	shown bool
}

func newProgress(w io.Writer, what string, total int) *progress {
	if !isTerminal(w) {
		w = nil
	}
	return &progress{w: w, what: what, total: total}
}

func (p *progress) show(done int) {
	if p.w == nil || p.total == 0 {
		return
	}
	full := min(done, p.total) * progressWidth / p.total
	fmt.Fprintf(p.w, "\r[%s%s] %d of %d %s",
		strings.Repeat("=", full), strings.Repeat(" ", progressWidth-full), done, p.total, p.what)
	p.shown = true
}

// end leaves the line.
func (p *progress) end() {
	if p.shown {
		fmt.Fprintln(p.w)
	}
}

// isTerminal says whether a person sees what is written to, or types what is
// read from, stream.
func isTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
