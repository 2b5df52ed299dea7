package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"golang.org/x/mod/sumdb/note"

	"acquired/client"
	"acquired/proto/fault"
)

// verifiedDocument is what a cluster signed.
type verifiedDocument struct {
	ID   string `json:"id"`
	Type string `json:"type"`
	// Signer is the cluster, Hash that of the terms.
	Signer string        `json:"signer"`
	Hash   string        `json:"hash"`
	Terms  documentTerms `json:"terms"`

	// fields are the terms in their order.
	fields []client.DocumentField
}

func describeVerified(d *client.Document) verifiedDocument {
	return verifiedDocument{d.ID, d.Type, d.Signer, d.Hash, termsOf(d.Fields), d.Fields}
}

func (d verifiedDocument) table(w io.Writer) {
	fmt.Fprintf(w, "%s signed this %s:\n\n", d.Signer, d.Type)
	for _, f := range d.fields {
		row(w, f.Key, printable(f.Value))
	}
	row(w, "hash", d.Hash)
}

// keysFlag are the keys that a document is verified with.
type keysFlag struct{ keys []string }

func (k *keysFlag) register(flags *pflag.FlagSet, unless string) {
	flags.StringArrayVar(&k.keys, "key", nil, "a key of acquired ledger document keys, or a file of them, one a line; may be repeated"+unless)
}

// verifiers gives the keys. A key has two "+", in which the name of a file may
// not look like one: "./" before it makes it none.
func (k *keysFlag) verifiers(in io.Reader) (verifiers []string, err error) {
	for _, key := range k.keys {
		if strings.Count(key, "+") >= 2 && !strings.HasPrefix(key, ".") && !strings.HasPrefix(key, "/") {
			verifiers = append(verifiers, key)
			continue
		}
		content, err := readInput(in, key)
		if err != nil {
			return nil, err
		}
		before := len(verifiers)
		for line := range strings.Lines(string(content)) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				verifiers = append(verifiers, line)
			}
		}
		if len(verifiers) == before {
			return nil, usage("%s has no keys", inputName(key))
		}
	}
	return verifiers, checkVerifiers(verifiers)
}

// checkVerifiers keeps keys that are none apart from documents that are none.
func checkVerifiers(keys []string) error {
	for _, key := range keys {
		if _, err := note.NewVerifier(key); err != nil {
			return withHint(usage(`--key: %q must be "NAME+HASH+KEY": %w`, key, err), "acquired ledger document keys lists the keys of a cluster")
		}
	}
	return nil
}

// open verifies and reads a signed document of the type. Without a key nothing
// is verified. It refuses what was altered, also if it is no document any more: only
// what can not be read is wrong usage.
func (k *keysFlag) open(in io.Reader, kind, file string) (*client.Document, error) {
	verifiers, err := k.verifiers(in)
	if err != nil {
		return nil, err
	}
	content, err := readNote(in, file)
	if err != nil {
		return nil, err
	}
	read := client.ReadDocument
	if len(verifiers) > 0 {
		read = func(signed []byte) (*client.Document, error) { return client.OpenDocument(signed, verifiers...) }
	}
	name := inputName(file)
	d, err := read(content)
	switch {
	case errors.Is(err, fault.Invalid):
		return nil, withHint(fmt.Errorf("%s: %w", name, err), "it is no document, or was altered on its way: each byte must be as it was saved")
	case err != nil:
		return nil, withHint(fmt.Errorf("%s: %w", name, err), "acquired ledger document keys lists the keys of a cluster")
	}
	return d, checkType(kind, name, d.Type)
}

// readNote reads a file, or standard input. One that is longer than any document is
// refused as what else is none.
func readNote(in io.Reader, file string) ([]byte, error) {
	if file != "-" {
		opened, err := os.Open(file)
		if err != nil {
			return nil, &usageError{err}
		}
		defer opened.Close()
		in = opened
	}
	content, err := io.ReadAll(io.LimitReader(in, maxSecretSize+1))
	switch {
	case err != nil:
		return nil, usage("read %s: %w", inputName(file), err)
	case len(content) > maxSecretSize:
		return nil, fault.Invalid.New("%s is longer than %d bytes, which no document is", inputName(file), maxSecretSize)
	}
	return content, nil
}

// inputName is what messages call a file.
func inputName(file string) string {
	if file == "-" {
		return "standard input"
	}
	return file
}

// noteFlags say which document is meant: a file with it, or an id and the hash.
type noteFlags struct {
	keys keysFlag
	hash string
}

func (n *noteFlags) register(flags *pflag.FlagSet) {
	n.keys.register(flags, " (default: the file is not verified)")
	flags.StringVar(&n.hash, "hash", "", "hash of the document, 64 hexadecimal digits: FILE is its id then, not a file (default: that of FILE)")
}

// document gives the document of the argument; with --hash only its id and hash.
func (n *noteFlags) document(cmd *cobra.Command, kind, argument string) (*client.Document, error) {
	switch {
	case n.hash == "":
		return n.keys.open(cmd.InOrStdin(), kind, argument)
	case len(n.keys.keys) > 0:
		return nil, usage("--hash and --key do not go together: without a file nothing is verified")
	}
	return &client.Document{ID: argument, Hash: n.hash}, nil
}

// verifyDocumentCommand is the verb verify of the noun for a type of documents.
func verifyDocumentCommand(g *globals, kind string) *cobra.Command {
	var keys keysFlag
	cmd := &cobra.Command{
		Use:   "verify FILE --key KEY",
		Short: "Verify a signed " + kind + " and print what was signed; needs no cluster",
		Long: fmt.Sprintf(`verify checks that one of the keys signed the %s in FILE, as it is; "-" is
standard input. It ends with status 1 if not, or if it is no %[1]s. It calls nobody:
where the %[1]s stands now, only the cluster knows.`, kind),
		Example: fmt.Sprintf("  acquired ledger %s verify FILE --key keys", kind),
		Args:    arguments(1, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			d, err := keys.open(cmd.InOrStdin(), kind, args[0])
			if err != nil {
				return err
			}
			return g.output.show(cmd.OutOrStdout(), describeVerified(d))
		},
	}
	keys.register(cmd.Flags(), "")
	requireFlag(cmd, "key")
	return cmd
}
