package journal

import (
	"bytes"
	"encoding/json"

	pb "acquired/proto/acquired/v1"
)

// lines is the format "jsonl".
type lines struct{}

// The types of lines.
const (
	typeAsset   = "asset"
	typeAccount = "account"
	typeEntry   = "entry"
)

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

func (lines) AppendHeader(text []byte) []byte { return text }

func (lines) AppendAsset(text []byte, a Asset) []byte {
	return appendLine(text, assetLine{typeAsset, a.Code, a.Scale})
}

func (lines) AppendAccount(text []byte, a Account) []byte {
	return appendLine(text, accountLine{
		typeAccount, a.Path, a.Asset, a.Kind, a.State, a.Overdraft, a.Ceiling, a.HoldOverdraft, a.Owner, a.Metadata,
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

func appendLine(text []byte, line any) []byte {
	buffer := bytes.NewBuffer(text)
	encoder := json.NewEncoder(buffer)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(line); err != nil {
		panic("journal: a line of text and numbers has no JSON: " + err.Error())
	}
	return buffer.Bytes()
}
