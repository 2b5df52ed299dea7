package main

import (
	"context"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func ledgerDocumentCommand(g *globals) *cobra.Command {
	return nounCommand("document", "What was promised, demanded or receipted, signed",
		showDocumentCommand(g, "document"),
		verifyDocumentCommand(g, "document"),
		ledgerDocumentKeysCommand(g),
	)
}

// document is a cheque, an invoice, a receipt, a refund or an exchange.
type document struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	// State of a cheque is "open", "spent", "cancelled" or "expired"; of an invoice
	// "open", "overdue", "paid", "credited" or "void"; of the others "final".
	State   string `json:"state"`
	Version uint64 `json:"version"`
	Hash    string `json:"hash"`
	// Uses and Cashed are of a cheque only, Paid, Credited and Open of an invoice.
	Uses     *uint32 `json:"uses,omitempty"`
	Cashed   string  `json:"cashed,omitempty"`
	Paid     string  `json:"paid,omitempty"`
	Credited string  `json:"credited,omitempty"`
	Open     string  `json:"open,omitempty"`
	Index    uint64  `json:"index"`
	Time     string  `json:"time"`
	// Terms are what is signed, and Note that with the signature of the cluster, which
	// a list does not have.
	Terms documentTerms `json:"terms,omitempty"`
	Note  string        `json:"note,omitempty"`
}

func describeDocument(d *pb.DocumentResponse) (document, error) {
	terms, err := client.ParseDocument(d.Text)
	if err != nil {
		return document{}, err
	}
	described := document{
		ID: d.Id, Type: d.Type, State: d.State, Version: d.Version, Hash: d.Hash,
		Cashed: d.Cashed, Paid: d.Paid, Credited: d.Credited, Open: d.Open,
		Index: d.Index, Time: formatNanos(d.UnixNanos), Terms: termsOf(terms.Fields), Note: d.Note,
	}
	if d.Type == "cheque" {
		described.Uses = &d.Uses
	}
	return described, nil
}

func (d document) table(w io.Writer) {
	row(w, "id", d.ID)
	row(w, "type", d.Type)
	row(w, "state", d.State)
	row(w, "version", number(d.Version))
	row(w, "hash", d.Hash)
	switch d.Type {
	case "cheque":
		row(w, "uses", number(uint64(*d.Uses)))
		row(w, "cashed", d.Cashed)
	case "invoice":
		row(w, "paid", d.Paid)
		row(w, "credited", d.Credited)
		row(w, "open", d.Open)
	}
	row(w, "index", number(d.Index))
	row(w, "time", d.Time)
	fmt.Fprintf(w, "\n%s", d.Note)
}

// checkType refuses a document of another type than a command is about. Every
// type is a "document".
func checkType(want, id, got string) error {
	if want == "document" || want == got {
		return nil
	}
	return withHint(fault.Invalid.New("%s is of the type %s, not %s", id, got, want), "acquired ledger %s --help", got)
}

// saveFlag is a file for the signed note of a document.
type saveFlag struct{ file string }

func (s *saveFlag) register(flags *pflag.FlagSet) {
	flags.StringVar(&s.file, "save", "", `write the signed document to this new file; "-" is standard output, and nothing else is printed (default: none)`)
}

// check refuses, before anything is done, a file that is there.
func (s *saveFlag) check() error {
	if s.file != "" && s.file != "-" && fileExists(s.file) {
		return fault.Exists.New("%s exists", s.file)
	}
	return nil
}

// save writes the note, if it is to be written. The terms of a payment are for
// its parties only.
func (s *saveFlag) save(note string) error {
	if s.file == "" || s.file == "-" {
		return nil
	}
	return writeSecret(s.file, []byte(note))
}

// shown is what to print: answer, or only the note.
func (s *saveFlag) shown(answer shape, note string) shape {
	if s.file == "-" {
		return signedNote(note)
	}
	return answer
}

// signedNote is printed as it is, whatever the form of the output: a byte more
// and it would not verify.
type signedNote string

func (n signedNote) table(w io.Writer) { fmt.Fprint(w, string(n)) }

// ask is that of globals, which prints a note alone as it is.
func (s *saveFlag) ask(g *globals, cmd *cobra.Command, do func(ctx context.Context, c *client.Client) (shape, error)) error {
	if err := s.check(); err != nil {
		return err
	}
	if s.file != "-" {
		return g.ask(cmd, do)
	}
	plain := *g
	plain.output = formatTable
	return plain.ask(cmd, do)
}

// askDocument gives a document of the type.
func askDocument(ctx context.Context, c *client.Client, kind, id string) (*pb.DocumentResponse, error) {
	answer, err := c.Ledger.Document(ctx, &pb.DocumentRequest{Id: id})
	if err != nil {
		return nil, hintRead(err)
	}
	return answer, checkType(kind, id, answer.Type)
}

// showDocumentCommand is the verb show of the noun for a type of documents.
func showDocumentCommand(g *globals, kind string) *cobra.Command {
	var save saveFlag
	cmd := &cobra.Command{
		Use:   "show ID",
		Short: "Print a signed " + kind + ", and where it stands",
		Example: fmt.Sprintf(`  acquired ledger %[1]s show ID
  acquired ledger %[1]s show ID --save FILE`, kind),
		Args: arguments(1, 1, "ID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return save.ask(g, cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := askDocument(ctx, c, kind, args[0])
				if err != nil {
					return nil, err
				}
				if err := save.save(answer.Note); err != nil {
					return nil, err
				}
				shown, err := describeDocument(answer)
				return save.shown(shown, answer.Note), err
			})
		},
	}
	save.register(cmd.Flags())
	return cmd
}

// documentFlags are those of a step that makes a document.
type documentFlags struct {
	stepFlags
	save saveFlag
}

func (d *documentFlags) register(flags *pflag.FlagSet, what string) {
	d.stepFlags.register(flags, what)
	d.save.register(flags)
}

// issue makes an op of the step, prints what became of it and saves its document.
func (d *documentFlags) issue(g *globals, cmd *cobra.Command, step *pb.Step) error {
	return d.save.ask(g, cmd, func(ctx context.Context, c *client.Client) (shape, error) {
		_, done, err := d.request.op(ctx, c, d.chosen, step)
		if err != nil {
			return nil, err
		}
		if d.save.file == "" {
			return done[0], nil
		}
		answer, err := c.Ledger.Document(ctx, &pb.DocumentRequest{Id: d.id})
		if err == nil {
			err = d.save.save(answer.Note)
		}
		if err != nil {
			return nil, withHint(fmt.Errorf("%s is made, it is not saved: %w", d.id, err), "acquired ledger document show %s --save FILE", d.id)
		}
		return d.save.shown(done[0], answer.Note), nil
	})
}

// documentList are the documents that name an account.
type documentList struct {
	Documents []document `json:"documents"`
	// Cursor is where to go on; empty when that is all.
	Cursor string `json:"cursor"`
}

func (l documentList) table(w io.Writer) {
	row(w, "ID", "TYPE", "STATE", "DATE", "ABOUT")
	for _, d := range l.Documents {
		date, _, _ := strings.Cut(d.Time, "T")
		row(w, d.ID, d.Type, d.State, date, printable(d.about()))
	}
	rowCursor(w, l.Cursor)
}

func ledgerDocumentsCommand(g *globals) *cobra.Command {
	var list listFlags
	cmd := &cobra.Command{
		Use:     "documents ACCOUNT",
		Short:   "List the cheques, invoices, receipts, refunds and exchanges that name an account",
		Example: "  acquired ledger documents /account/physics/alice",
		Args:    arguments(1, 1, "ACCOUNT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				documents, cursor, err := gather(&list, func(cursor string, limit uint32) ([]document, string, error) {
					answer, err := c.Ledger.Documents(ctx, &pb.DocumentsRequest{Account: args[0], Cursor: cursor, Limit: limit})
					if err != nil {
						return nil, "", hintRead(hintAccount(err))
					}
					page := make([]document, len(answer.Documents))
					for i, d := range answer.Documents {
						if page[i], err = describeDocument(d); err != nil {
							return nil, "", err
						}
					}
					return page, answer.Cursor, nil
				})
				return documentList{documents, cursor}, err
			})
		},
	}
	list.register(cmd.Flags())
	return cmd
}
