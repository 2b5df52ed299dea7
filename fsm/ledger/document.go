package ledger

import (
	"crypto/sha256"
	"encoding/hex"
	"strconv"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/proto/fault"
)

// The text of a document is its terms in canonical bytes: ASCII, in lines that each
// end with a newline. The first line is "acquired TYPE v1", the others are
// "key: value", in this order:
//
//	all         id, time, by; effective, if it is not the time
//	cheque      account, asset, recipient, resource, ceiling, uses, expires, [description]
//	invoice     receivable, revenue, asset, [payer], total, [due], [description],
//	            for each line: line
//	receipt     hold, debit, credit, asset, [delegate], held, captured, released, expired,
//	            remaining, for each account that was paid: paid, for each entry: entry
//	refund      of, debit, credit, asset, amount, [description]
//	exchange    debit, broker_credit, given_asset, given, broker_debit, credit, got_asset,
//	            got, rate, remainder, [description]
//
// Those in brackets are left out when there is nothing to say. Keys are named after
// the fields of the API. Times are those of RFC 3339 in UTC, with nine digits of the
// second unless these are 0; "by" is the principal that made the document. Amounts
// have all digits of their asset. Free texts (resource, description) are in double
// quotes, with the escapes of Go. Then:
//
//	line        AMOUNT "DESCRIPTION"
//	paid        ACCOUNT AMOUNT, in the order in which they were paid first
//	entry       INDEX.COUNTER TIME STEP ACCOUNT AMOUNT: the place in the journal, when
//	            it counts as having happened, the step that made it, who was paid and
//	            how much
//	rate        NUMERATOR/DENOMINATOR, as the request has it
//	remainder   what was rounded off, as a fraction in lowest terms of a minor unit of
//	            got_asset: got and it are exactly given times rate

// documentKind is the type of a document. The numbers are stored.
type documentKind uint8

const (
	chequeDocument documentKind = 1 + iota
	invoiceDocument
	receiptDocument
	refundDocument
	exchangeDocument
)

var documentKinds = [...]string{
	chequeDocument: "cheque", invoiceDocument: "invoice", receiptDocument: "receipt",
	refundDocument: "refund", exchangeDocument: "exchange",
}

func (k documentKind) String() string { return documentKinds[k] }

// document is what was written: it never changes. Where a cheque or an invoice
// stands is in a record of its own.
type document struct {
	id command.ID
	// name is the id of the step that made it.
	name string
	kind documentKind
	// time is the log time in nanoseconds.
	time int64
	text string
	// hash is the SHA-256 of text, in hexadecimal.
	hash string
	// accounts are those that it names, each once; parties are the principals that it
	// names, in the order of its lines.
	accounts []command.ID
	parties  []party
}

var (
	documents = kv.NewTable(&Schema, "ledger/document", kv.Codec[document]{Append: appendDocument, Decode: decodeDocument},
		func(d document) command.ID { return d.id }, 0)

	documentsByName = kv.NewUnique(&Schema, documents, "ledger/document_by_name",
		func(d document) kv.StringKey { return kv.StringKey(d.name) })

	documentsByAccount = kv.NewIndex(&Schema, documents, "ledger/document_by_account", func(d document, add func(command.ID)) {
		for _, id := range d.accounts {
			add(id)
		}
	})
)

// What a document names at most, which bounds what a damaged record can make a node
// do.
const (
	maxNamed   = MaxReceiptEntries + 4
	maxParties = 4
)

func appendDocument(b []byte, d document) []byte {
	b = kv.AppendString(command.AppendID(b, d.id), d.name)
	b = kv.AppendInt(kv.AppendUint(b, uint64(d.kind)), d.time)
	b = kv.AppendString(kv.AppendString(b, d.text), d.hash)
	b = kv.AppendUint(b, uint64(len(d.accounts)))
	for _, id := range d.accounts {
		b = command.AppendID(b, id)
	}
	b = kv.AppendUint(b, uint64(len(d.parties)))
	for _, p := range d.parties {
		b = appendParty(b, p)
	}
	return b
}

func decodeDocument(b []byte) (document, error) {
	r := kv.NewDecoder(b)
	d := document{
		id: command.DecodeID(&r), name: r.String(), kind: documentKind(r.Uint()), time: r.Int(),
		text: r.String(), hash: r.String(),
	}
	for range min(r.Uint(), maxNamed) {
		d.accounts = append(d.accounts, command.DecodeID(&r))
	}
	for range min(r.Uint(), maxParties) {
		d.parties = append(d.parties, decodeParty(&r))
	}
	return d, r.Err()
}

func findDocument(r kv.Reader, name string) (document, bool) {
	return documentsByName.Find(r, kv.StringKey(name))
}

// state says where the document stands at the log time.
func (d *document) state(r kv.Reader, now int64) string {
	switch d.kind {
	case chequeDocument:
		c := mustCheque(r, d.name)
		return c.state(now)
	case invoiceDocument:
		i := mustInvoice(r, d.name)
		return i.state(now)
	}
	return finalState
}

// findDocument reads each document once: it never changes.
func (o *operation) findDocument(name string) (document, bool) {
	d, ok := o.documents[name]
	if ok {
		return d, true
	}
	if d, ok = findDocument(o.tx, name); !ok {
		return d, false // the op may make it yet
	}
	if o.documents == nil {
		o.documents = make(map[string]document)
	}
	o.documents[name] = d
	return d, true
}

// visible gives a document in which the caller has a part.
func (o *operation) visible(name string) (document, error) {
	d, ok := o.findDocument(name)
	if !ok || !o.related().toDocument(&d) {
		return d, noDocument(name)
	}
	return d, nil
}

// ofKind refuses documents of other types. The caller has a part in it.
func (d *document) ofKind(kind documentKind) error {
	if d.kind != kind {
		return fault.Invalid.New("document %s is of the type %s, not %s", d.name, d.kind, kind).With("document", d.name)
	}
	return nil
}

// mayFor is may for an account that a document names. The caller has a part in the
// document, and may not View the account all the same: it is told that it may not do
// this, and not which account it is.
func (o *operation) mayFor(d *document, operation command.Operation, at path.Path) error {
	err := o.may(operation, at)
	if err != nil && fault.KindOf(err) == fault.NotFound {
		err = fault.Denied.New("%s may not %s what document %s names", o.tx.Caller.Principal, operation, d.name).With("document", d.name)
	}
	return err
}

// terms are a document that is being written.
type terms struct {
	document
	lines []byte
}

// begin writes what all documents begin with.
func (o *operation) begin(kind documentKind) *terms {
	t := &terms{document: document{name: o.now.name, kind: kind, time: o.tx.Time}}
	t.lines = append(t.lines, "acquired "+kind.String()+" v1\n"...)
	t.line("id", o.now.name)
	t.line("time", instant(o.tx.Time))
	t.party("by", partyOf(o.tx, o.tx.Caller.Principal))
	if o.now.effective != o.tx.Time {
		t.line("effective", instant(o.now.effective))
	}
	return t
}

func (t *terms) line(key, value string) {
	t.lines = append(append(append(append(t.lines, key...), ": "...), value...), '\n')
}

// account writes a line with an account, which the document names.
func (t *terms) account(key string, a *account) {
	t.line(key, string(a.path))
	t.name(a.id)
}

func (t *terms) name(id command.ID) {
	for _, known := range t.accounts {
		if known == id {
			return
		}
	}
	t.accounts = append(t.accounts, id)
}

// party writes a line with a principal, which the document names.
func (t *terms) party(key string, p party) {
	t.line(key, string(p.path))
	t.parties = append(t.parties, p)
}

// description writes what was said about it, if anything was.
func (t *terms) description(s string) {
	if s != "" {
		t.line("description", strconv.QuoteToASCII(s))
	}
}

// file keeps the document and gives its hash.
func (o *operation) file(t *terms) string {
	sum := sha256.Sum256(t.lines)
	t.id, t.text, t.hash = o.tx.NewID(), string(t.lines), hex.EncodeToString(sum[:])
	documents.Insert(o.tx.Tx, t.document)
	return t.hash
}

// checkHash refuses what cannot be a hash of a document.
func checkHash(s string) error {
	sum, err := hex.DecodeString(s)
	if err != nil || len(sum) != sha256.Size || hex.EncodeToString(sum) != s {
		return fault.Invalid.New("hash %s: a hash is %d of 0-9 and a-f", quote(s), 2*sha256.Size)
	}
	return nil
}

// sameHash refuses a hash of something else than the document.
func (d *document) sameHash(hash string) error {
	if hash != d.hash {
		return fault.Conflict.New("document %s has another hash", d.name).With("document", d.name)
	}
	return nil
}

// mustBe refuses a document that does not stand where the step needs it.
func (d *document) mustBe(is string, wanted ...string) error {
	for _, s := range wanted {
		if is == s {
			return nil
		}
	}
	return fault.Conflict.New("%s %s is %s", d.kind, d.name, is).With("document", d.name).With("state", is)
}

// namedAccount checks the path of an account that a field names.
func namedAccount(field, s string) error {
	_, err := accountPath(s)
	return in(field, err)
}
