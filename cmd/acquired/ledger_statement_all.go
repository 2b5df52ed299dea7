package main

import (
	"encoding/json"
	"fmt"
	"io"
	"text/tabwriter"

	"github.com/spf13/cobra"

	pb "acquired/proto/acquired/v1"
)

// maxStatementLines is the most that one answer has.
const maxStatementLines = 1000

// wholeStatement prints page after page as one document and holds one page at
// a time: an account may have millions of lines.
func (g *globals) wholeStatement(cmd *cobra.Command, request *pb.StatementRequest) error {
	c, err := g.connect(cmd.Context())
	if err != nil {
		return err
	}
	defer c.Close()
	request.Limit = maxStatementLines
	printer := statementPrinter{w: cmd.OutOrStdout(), output: g.output}
	for {
		answer, err := c.Ledger.Statement(cmd.Context(), request)
		if err != nil {
			return hintRead(hintAccount(err))
		}
		page := describeStatement(request, answer)
		if err := printer.print(page); err != nil {
			return err
		}
		if page.Cursor == "" {
			return printer.end()
		}
		request.Cursor = page.Cursor
	}
}

// statementPrinter prints the pages of one statement.
type statementPrinter struct {
	w      io.Writer
	output format
	// begun is set with the first page, and filled with the first line.
	begun, filled bool
	// opening and closing are those of the pages so far.
	opening, closing string
}

func (p *statementPrinter) print(page statement) error {
	first := !p.begun
	p.begun = true
	if first || page.newestFirst {
		p.opening = page.Opening
	}
	if first || !page.newestFirst {
		p.closing = page.Closing
	}
	switch p.output {
	case formatJSON:
		return p.printJSON(page, first)
	case formatYAML:
		return p.printYAML(page, first)
	}
	aligned := tabwriter.NewWriter(p.w, 0, 0, 2, ' ', 0)
	if first {
		page.tableHead(aligned)
	}
	page.tableLines(aligned)
	if page.Cursor == "" {
		page.tableEnd(aligned)
	}
	return aligned.Flush()
}

func (p *statementPrinter) printJSON(page statement, first bool) error {
	if first {
		if err := p.printQuoted(`{"path":%s,"asset":%s,"lines":[`, page.Path, page.Asset); err != nil {
			return err
		}
	}
	for _, line := range page.Lines {
		encoded, err := json.Marshal(line)
		if err != nil {
			return err
		}
		separator := ",\n"
		if !p.filled {
			separator = "\n"
		}
		p.filled = true
		if _, err := fmt.Fprintf(p.w, "%s%s", separator, encoded); err != nil {
			return err
		}
	}
	return nil
}

func (p *statementPrinter) printYAML(page statement, first bool) error {
	if first {
		if err := p.printQuoted("path: %s\nasset: %s\nlines:\n", page.Path, page.Asset); err != nil {
			return err
		}
	}
	if len(page.Lines) == 0 {
		return nil
	}
	p.filled = true
	return writeYAML(p.w, page.Lines)
}

// printQuoted prints strings of JSON, which are strings of YAML.
func (p *statementPrinter) printQuoted(layout string, values ...string) error {
	quoted := make([]any, len(values))
	for i, value := range values {
		encoded, err := json.Marshal(value)
		if err != nil {
			return err
		}
		quoted[i] = encoded
	}
	_, err := fmt.Fprintf(p.w, layout, quoted...)
	return err
}

// end prints what stands after the last line.
func (p *statementPrinter) end() error {
	layout := "opening: %s\nclosing: %s\ncursor: \"\"\n"
	switch {
	case p.output == formatTable:
		return nil
	case p.output == formatJSON:
		layout = "\n],\"opening\":%s,\"closing\":%s,\"cursor\":\"\"}\n"
	case !p.filled:
		layout = "  []\n" + layout
	}
	return p.printQuoted(layout, p.opening, p.closing)
}
