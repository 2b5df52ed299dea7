package client

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"

	"acquired/proto/fault"
)

// maxDocument is the size of the largest signed document in bytes.
const maxDocument = 1 << 20

// documentTypes are those that there are.
var documentTypes = []string{"cheque", "invoice", "receipt", "refund", "exchange"}

// A Document is the terms of a cheque, an invoice, a receipt, a refund or an
// exchange, which never change. Where it stands, such as whether a cheque was
// cashed, only the cluster knows.
type Document struct {
	// ID is that of the step that made it.
	ID string
	// Type is "cheque", "invoice", "receipt", "refund" or "exchange".
	Type string
	// Signer is the name of the key that verified, which is the name of the
	// cluster. It is empty if nothing was verified.
	Signer string
	// Text is what is signed: "acquired TYPE v1", and lines of "key: value".
	Text string
	// Hash is the SHA-256 of Text, 64 hexadecimal digits: by it a document is
	// cashed or paid.
	Hash string
	// Fields are the lines of Text but the first, in their order.
	Fields []DocumentField
}

// A DocumentField is a line of a document.
type DocumentField struct {
	// Key may be that of more than one field.
	Key string
	// Value is without the quotes that a free text has.
	Value string
}

// Value gives that of the first field with the key, or "".
func (d *Document) Value(key string) string {
	for _, field := range d.Fields {
		if field.Key == key {
			return field.Value
		}
	}
	return ""
}

// OpenDocument verifies and reads a signed document, the note of a
// DocumentResponse, of at most 1 MiB. It calls nobody. The verifiers are keys
// that the caller trusts, in the form that Ledger.DocumentKeys gives: one of them
// must have signed the document.
//
// It returns an Unauthenticated fault for a document that was altered or that
// none of the keys signed, and an Invalid one for what is no document, or no key.
func OpenDocument(signed []byte, verifiers ...string) (*Document, error) {
	if err := checkDocumentSize(signed); err != nil {
		return nil, err
	}
	known, err := verifierList(verifiers)
	if err != nil {
		return nil, err
	}
	opened, err := note.Open(signed, known)
	if err != nil {
		return nil, signatureFault(err)
	}
	d, err := ParseDocument(opened.Text)
	if err != nil {
		return nil, err
	}
	d.Signer = opened.Sigs[0].Name
	return d, nil
}

// ReadDocument reads a signed document as OpenDocument does and verifies nothing:
// anybody may have written it. It returns an Invalid fault for what is no document.
func ReadDocument(signed []byte) (*Document, error) {
	if err := checkDocumentSize(signed); err != nil {
		return nil, err
	}
	_, err := note.Open(signed, nil)
	unverified, ok := errors.AsType[*note.UnverifiedNoteError](err)
	if !ok {
		return nil, signatureFault(err)
	}
	return ParseDocument(unverified.Note.Text)
}

func checkDocumentSize(signed []byte) error {
	if len(signed) > maxDocument {
		return fault.Invalid.New("document is %d bytes long, at most %d are allowed", len(signed), maxDocument)
	}
	return nil
}

// verifierList takes each key once: a list with one twice would verify nothing.
func verifierList(keys []string) (note.Verifiers, error) {
	if len(keys) == 0 {
		return nil, fault.Invalid.New("no verifier key is given, a document can not be verified without one")
	}
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	verifiers := make([]note.Verifier, len(keys))
	for i, key := range keys {
		verifier, err := note.NewVerifier(key)
		if err != nil {
			return nil, fault.Invalid.New(`verifier key %q must be "NAME+HASH+KEY": %v`, key, err)
		}
		verifiers[i] = verifier
	}
	return note.VerifierList(verifiers...), nil
}

// signatureFault says what an error of note.Open means.
func signatureFault(err error) error {
	if invalid, ok := errors.AsType[*note.InvalidSignatureError](err); ok {
		return fault.Unauthenticated.New("document is not what %s signed: it or the signature was altered", invalid.Name)
	}
	unverified, ok := errors.AsType[*note.UnverifiedNoteError](err)
	if !ok {
		return fault.Invalid.New("document is no signed note: %v", err)
	}
	signers := make([]string, len(unverified.Note.UnverifiedSigs))
	for i, signature := range unverified.Note.UnverifiedSigs {
		signers[i] = signature.Name
	}
	return fault.Unauthenticated.New("document says it is signed by %s, with a key that is none of those given", strings.Join(signers, ", "))
}

// ParseDocument reads the text of a document, as a DocumentResponse has it in any
// list: nobody has signed it. It returns an Invalid fault for what is no document.
func ParseDocument(text string) (*Document, error) {
	head, rest, _ := strings.Cut(text, "\n")
	title, ok := strings.CutPrefix(head, "acquired ")
	kind, version, _ := strings.Cut(title, " ")
	if !ok || version != "v1" || !slices.Contains(documentTypes, kind) {
		return nil, fault.Invalid.New(`document begins with %q, not with "acquired TYPE v1" and a TYPE of %s`, head, strings.Join(documentTypes, ", "))
	}
	sum := sha256.Sum256([]byte(text))
	d := &Document{Type: kind, Text: text, Hash: hex.EncodeToString(sum[:])}
	for line := range strings.Lines(rest) {
		key, value, ok := strings.Cut(strings.TrimSuffix(line, "\n"), ": ")
		if !ok {
			return nil, fault.Invalid.New(`document has the line %q, which is not "key: value"`, strings.TrimSuffix(line, "\n"))
		}
		d.Fields = append(d.Fields, DocumentField{key, unquoted(value)})
	}
	if d.ID = d.Value("id"); d.ID == "" {
		return nil, fault.Invalid.New("document has no id")
	}
	return d, nil
}

// unquoted gives a value that is one quoted text without its quotes.
func unquoted(value string) string {
	if text, err := strconv.Unquote(value); err == nil && value[0] == '"' {
		return text
	}
	return value
}
