package journal

import (
	"bytes"
	"encoding/json"

	pb "acquired/proto/acquired/v1"
)

// lines is the format JSONLines.
type lines struct{}

// The types of lines.
const (
	typeJournal  = "journal"
	typeAsset    = "asset"
	typeAccount  = "account"
	typeEntry    = "entry"
	typePage     = "page"
	typeHold     = "hold"
	typeDocument = "document"
	typePeriod   = "period"
	typeEnd      = "end"
)

// version is that of the lines: it changes when an older reader would not
// understand them.
const version = 1

type journalLine struct {
	Type    string `json:"type"`
	Version int    `json:"version"`
	After   string `json:"after,omitempty"`
}

type pageLine struct {
	Type  string `json:"type"`
	Until string `json:"until"`
}

type assetLine struct {
	Type  string `json:"type"`
	Code  string `json:"code"`
	Scale uint32 `json:"scale"`
}

type accountLine struct {
	Type          string            `json:"type"`
	Path          string            `json:"path"`
	Asset         string            `json:"asset"`
	Kind          string            `json:"kind,omitempty"`
	State         string            `json:"state,omitempty"`
	Overdraft     string            `json:"overdraft,omitempty"`
	Ceiling       string            `json:"ceiling,omitempty"`
	DailyLimit    string            `json:"daily_limit,omitempty"`
	HoldOverdraft bool              `json:"hold_overdraft,omitempty"`
	Owner         string            `json:"owner,omitempty"`
	Metadata      map[string]string `json:"metadata,omitempty"`
}

type entryLine struct {
	Type        string `json:"type"`
	Index       uint64 `json:"index"`
	Counter     uint32 `json:"counter"`
	Time        string `json:"time"`
	Effective   string `json:"effective"`
	Kind        string `json:"kind"`
	ID          string `json:"id"`
	Part        uint32 `json:"part"`
	Debit       string `json:"debit"`
	Credit      string `json:"credit"`
	Asset       string `json:"asset"`
	Amount      string `json:"amount"`
	Hold        string `json:"hold"`
	Document    string `json:"document"`
	Of          string `json:"of"`
	Description string `json:"description"`
}

type holdLine struct {
	Type        string `json:"type"`
	ID          string `json:"id"`
	Debit       string `json:"debit"`
	Credit      string `json:"credit"`
	Asset       string `json:"asset"`
	Remaining   string `json:"remaining"`
	Expires     string `json:"expires"`
	Overdraft   bool   `json:"overdraft"`
	Delegate    string `json:"delegate"`
	Document    string `json:"document"`
	Description string `json:"description"`
}

type documentLine struct {
	Type  string `json:"type"`
	ID    string `json:"id"`
	Kind  string `json:"kind"`
	State string `json:"state"`
	Hash  string `json:"hash"`
	Text  string `json:"text"`
}

type periodLine struct {
	Type  string `json:"type"`
	Name  string `json:"name"`
	Until string `json:"until"`
}

type endLine struct {
	Type    string `json:"type"`
	Entries uint64 `json:"entries"`
	Now     bool   `json:"now"`
	Sum     string `json:"sha256"`
}

func (lines) AppendHeader(text []byte, after string) []byte {
	return appendLine(text, journalLine{typeJournal, version, after})
}

func (lines) AppendAsset(text []byte, a Asset) []byte {
	return appendLine(text, assetLine{typeAsset, a.Code, a.Scale})
}

func (lines) AppendAccount(text []byte, a Account) []byte {
	return appendLine(text, accountLine{
		typeAccount, a.Path, a.Asset, a.Kind, a.State, a.Overdraft, a.Ceiling, a.DailyLimit, a.HoldOverdraft, a.Owner, a.Metadata,
	})
}

func (lines) AppendEntry(text []byte, e *pb.JournalEntry) []byte {
	return appendLine(text, entryLine{
		Type: typeEntry, Index: e.Index, Counter: e.Counter,
		Time: formatTime(e.UnixNanos), Effective: formatTime(e.EffectiveUnixNanos),
		Kind: e.Kind, ID: e.Id, Part: e.Part, Debit: e.Debit, Credit: e.Credit, Asset: e.Asset, Amount: e.Amount,
		Hold: e.Hold, Document: e.Document, Of: e.Of, Description: e.Description,
	})
}

// What follows is for what only JSON lines have a place for.

// AppendPage appends that all entries up to a cursor are there.
func AppendPage(text []byte, until string) []byte { return appendLine(text, pageLine{typePage, until}) }

// AppendHold appends an open hold.
func AppendHold(text []byte, h Hold) []byte {
	return appendLine(text, holdLine{
		typeHold, h.ID, h.Debit, h.Credit, h.Asset, h.Remaining, formatTime(h.Expires), h.Overdraft, h.Delegate, h.Document, h.Description,
	})
}

// AppendDocument appends a document.
func AppendDocument(text []byte, d Document) []byte {
	return appendLine(text, documentLine{typeDocument, d.ID, d.Kind, d.State, d.Hash, d.Text})
}

// AppendPeriod appends a closed period.
func AppendPeriod(text []byte, p Period) []byte {
	return appendLine(text, periodLine{typePeriod, p.Name, formatTime(p.Until)})
}

// AppendEnd appends what an export ends with.
func AppendEnd(text []byte, e End) []byte {
	return appendLine(text, endLine{typeEnd, e.Entries, e.Now, e.Sum})
}

func appendLine(text []byte, line any) []byte {
	buffer := bytes.NewBuffer(text)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(line); err != nil {
		panic("journal: a line of text and numbers has no JSON: " + err.Error())
	}
	return buffer.Bytes()
}
