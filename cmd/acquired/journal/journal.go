// Package journal has the forms in which the journal of a ledger is written to
// files, and reads one of them back:
//
//	jsonl    a JSON object a line: assets and accounts before the entries that
//	         need them, and behind the entries what stands open. Reader reads it
//	csv      a line an entry, for spreadsheets and data frames
//	hledger  what was posted, for hledger and ledger
//
// All are written in pieces that a caller joins, and hold no state: whoever
// writes says what a reader has not met yet.
package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"strings"
	"time"

	"acquired/fsm/ledger"
	pb "acquired/proto/acquired/v1"
)

// JSONLines is the name of the format that has all of the books, and that Reader reads.
const JSONLines = "jsonl"

// Names are those of all formats. They are never changed.
var Names = []string{JSONLines, "csv", "hledger"}

// Format appends the parts of a file to a text. What a format has no place for
// appends nothing.
type Format interface {
	// AppendHeader is for the beginning of a file. A file that continues another
	// has none, so that the two can be joined; of JSON lines every part has one, which
	// says the cursor that it goes on behind, empty for the beginning.
	AppendHeader(text []byte, after string) []byte
	// AppendAsset and AppendAccount come before the first entry that names them.
	// To have them again does no harm.
	AppendAsset(text []byte, a Asset) []byte
	AppendAccount(text []byte, a Account) []byte
	AppendEntry(text []byte, e *pb.JournalEntry) []byte
}

// Named gives the format with one of the Names; for any other it is nil.
func Named(name string) Format {
	switch name {
	case JSONLines:
		return lines{}
	case "csv":
		return table{}
	case "hledger":
		return transactions{}
	}
	return nil
}

// Asset is what an amount is of.
type Asset struct {
	Code string
	// Scale is how many digits an amount has after the point.
	Scale uint32
}

// Account takes part in entries. An account of which no more than the path and
// the asset is known, because it is gone or not for the caller to see, has an
// empty Kind.
type Account struct {
	Path, Asset string
	// Kind is "normal", "ephemeral" or "transient".
	Kind string
	// State is "open", "frozen" or "closed", or "gone": an ephemeral account that
	// was left empty, of which no more is known.
	State string
	// Overdraft is an amount or "unlimited"; Ceiling and DailyLimit are empty for no
	// bound.
	Overdraft, Ceiling, DailyLimit string
	HoldOverdraft                  bool
	Owner                          string
	Metadata                       map[string]string
}

// Hold is one that was open when the journal was written.
type Hold struct {
	ID, Debit, Credit, Asset, Remaining string
	// Expires is in nanoseconds since 1970.
	Expires int64
	// Overdraft is whether it may use that of the payer.
	Overdraft bool
	Delegate  string
	// Document is the cheque that it came of.
	Document, Description string
}

// Document is what was signed. It proves nothing but with the signature, which the
// cluster gives that made it.
type Document struct {
	// Kind and State are as of pb.DocumentResponse.
	ID, Kind, State string
	// Hash is the SHA-256 of Text in hexadecimal.
	Hash, Text string
}

// Period is one that is closed: nothing can be back-dated to before Until, in
// nanoseconds since 1970.
type Period struct {
	Name  string
	Until int64
}

// End is what one export ends with. A file of which the end is missing is not the
// whole of what was to be written.
type End struct {
	// Entries is how many this export wrote.
	Entries uint64
	// Now is set when it says what stood open at its end: it was of all entries up
	// to then.
	Now bool
	// Sum is that of the lines before it: see Sum.
	Sum string
}

// Sum is a checksum of the lines of one export, from its header on. NewSum makes one:
// the zero value is of no use. Copies of a Sum are the same sum.
type Sum struct{ hash hash.Hash }

// NewSum gives the sum of no lines.
func NewSum() Sum { return Sum{sha256.New()} }

// Add adds lines that each end with a line break.
func (s Sum) Add(lines []byte) { s.hash.Write(lines) }

// String gives the SHA-256 of all lines in hexadecimal.
func (s Sum) String() string { return hex.EncodeToString(s.hash.Sum(nil)) }

// posting are the kinds of entries that post an amount; the others only change
// what is pending.
var posting = map[string]bool{
	"transfer": true, "refund": true, "exchange": true, "payout": true, "capture": true,
	"hold": false, "divert": false, "release": false, "expire": false,
}

// Posts says whether the entry posts its amount.
func Posts(e *pb.JournalEntry) bool { return posting[e.Kind] }

// ScaleOf gives the digits after the point of an amount. The ledger spells all
// amounts of an asset with as many as the asset has.
func ScaleOf(amount string) uint32 {
	_, fraction, _ := strings.Cut(amount, ".")
	return uint32(len(fraction))
}

// importPrefix begins the ids of transfers that cannot have that of their step.
const importPrefix = "import:"

// TransferID gives the id under which an entry is made again as a transfer: that
// of its step for the first entry of a step, and one derived from it for the
// others. Two entries of a journal never have the same: what begins like a
// derived id is derived too, and one that is too long is hashed.
func TransferID(e *pb.JournalEntry) string {
	if e.Part == 0 && !strings.HasPrefix(e.Id, importPrefix) {
		return e.Id
	}
	derived := fmt.Sprintf("%s%d:%s", importPrefix, e.Part, e.Id)
	if len(derived) <= ledger.MaxTransferID {
		return derived
	}
	hash := sha256.Sum256([]byte(e.Id))
	return fmt.Sprintf("%s%d~%s", importPrefix, e.Part, hex.EncodeToString(hash[:]))
}

// HoldID gives the id under which a hold is placed again: its own, unless it could
// be the TransferID of an entry.
func HoldID(id string) string { return TransferID(&pb.JournalEntry{Id: id}) }

// formatTime spells an instant so that no nanosecond is lost.
func formatTime(unixNanos int64) string {
	return time.Unix(0, unixNanos).UTC().Format(time.RFC3339Nano)
}
