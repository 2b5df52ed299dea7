package journal

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"
	"unicode"

	"acquired/fsm/identity"
	"acquired/fsm/ledger"
	"acquired/fsm/path"
)

// What the ledger takes.
var (
	assetCode   = regexp.MustCompile(fmt.Sprintf(`^[A-Z][A-Z0-9-]{0,%d}$`, ledger.MaxAssetCode-1))
	stepID      = regexp.MustCompile(fmt.Sprintf(`^[A-Za-z0-9._~:/@+-]{1,%d}$`, ledger.MaxTransferID))
	metadataKey = regexp.MustCompile(fmt.Sprintf(`^[a-z0-9._-]{1,%d}$`, ledger.MaxMetadataKey))
)

func (l *assetLine) check() error {
	if err := checkAsset("code", l.Code); err != nil {
		return err
	}
	if l.Scale > ledger.MaxScale {
		return fmt.Errorf("scale: must be 0 to %d, not %d", ledger.MaxScale, l.Scale)
	}
	return nil
}

func (l *accountLine) check() error {
	return first(
		checkAccount("path", l.Path),
		checkAsset("asset", l.Asset),
		checkOneOf("kind", l.Kind, "", "normal", "ephemeral", "transient"),
		checkOneOf("state", l.State, "", "open", "frozen", "closed", "gone"),
		checkLimit("overdraft", l.Overdraft, ledger.Unlimited),
		checkLimit("ceiling", l.Ceiling, ""),
		checkLimit("daily_limit", l.DailyLimit, ""),
		checkPrincipal("owner", l.Owner),
		checkMetadata(l.Metadata),
	)
}

func (l *holdLine) check() error {
	if l.Debit == l.Credit {
		return fmt.Errorf("credit: is the debit too, %q", shortened(l.Credit))
	}
	return first(
		checkID("id", l.ID),
		checkAccount("debit", l.Debit),
		checkAccount("credit", l.Credit),
		checkAsset("asset", l.Asset),
		checkPositive("remaining", l.Remaining),
		checkPrincipal("delegate", l.Delegate),
		checkReference("document", l.Document),
		checkText("description", l.Description, ledger.MaxDescription),
	)
}

// documentWord is what a kind or a state of documents may be called.
var documentWord = regexp.MustCompile(`^[a-z]{1,32}$`)

func (l *documentLine) check() error {
	for _, f := range []struct{ name, value string }{{"kind", l.Kind}, {"state", l.State}} {
		if !documentWord.MatchString(f.value) {
			return fmt.Errorf("%s: %q is not 1 to 32 of a-z", f.name, shortened(f.value))
		}
	}
	if sum := sha256.Sum256([]byte(l.Text)); hex.EncodeToString(sum[:]) != l.Hash {
		return fmt.Errorf("hash: is not the SHA-256 of the text")
	}
	return checkID("id", l.ID)
}

func (l *entryLine) check() error {
	if _, known := posting[l.Kind]; !known {
		return fmt.Errorf("kind: %q is none of a journal's", shortened(l.Kind))
	}
	if l.Index == 0 {
		return fmt.Errorf("index: is missing or 0")
	}
	if l.Debit == l.Credit {
		return fmt.Errorf("credit: is the debit too, %q", shortened(l.Credit))
	}
	return first(
		checkID("id", l.ID),
		checkAccount("debit", l.Debit),
		checkAccount("credit", l.Credit),
		checkAsset("asset", l.Asset),
		checkAmount("amount", l.Amount),
		checkReference("hold", l.Hold),
		checkReference("document", l.Document),
		checkReference("of", l.Of),
		checkText("description", l.Description, ledger.MaxDescription),
	)
}

// first gives the first error that there is.
func first(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func checkAsset(field, code string) error {
	if !assetCode.MatchString(code) {
		return fmt.Errorf("%s: %q is not 1 to %d of A-Z, 0-9 and -, beginning with a letter", field, shortened(code), ledger.MaxAssetCode)
	}
	return nil
}

func checkID(field, id string) error {
	if !stepID.MatchString(id) {
		return fmt.Errorf("%s: %q is not 1 to %d bytes of A-Z a-z 0-9 and ._~:/@+-", field, shortened(id), ledger.MaxTransferID)
	}
	return nil
}

func checkReference(field, id string) error {
	if id == "" {
		return nil
	}
	return checkID(field, id)
}

// checkAccount takes only the one way to spell a path: accounts are told apart
// by it.
func checkAccount(field, account string) error {
	p, err := path.Parse(account)
	if err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	if !ledger.Accounts.Covers(p) || p == ledger.Accounts || string(p) != account {
		return fmt.Errorf("%s: %q is no path below %s", field, shortened(account), ledger.Accounts)
	}
	return nil
}

func checkPrincipal(field, principal string) error {
	if principal == "" {
		return nil
	}
	if _, err := identity.ParsePrincipal(principal); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

func checkAmount(field, amount string) error {
	scale := ScaleOf(amount)
	if scale > ledger.MaxScale {
		return fmt.Errorf("%s: %q has more than %d digits after the point", field, shortened(amount), ledger.MaxScale)
	}
	if _, err := ledger.ParseAmount(amount, uint8(scale)); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

// checkPositive takes an amount above 0.
func checkPositive(field, amount string) error {
	if err := checkAmount(field, amount); err != nil {
		return err
	}
	if strings.Trim(amount, "0.") == "" {
		return fmt.Errorf("%s: is %s, and must be above 0", field, shortened(amount))
	}
	return nil
}

// checkLimit takes an amount, nothing, or a word in place of one.
func checkLimit(field, limit, word string) error {
	if limit == "" || limit == word {
		return nil
	}
	return checkAmount(field, limit)
}

func checkOneOf(field, value string, allowed ...string) error {
	for _, one := range allowed {
		if value == one {
			return nil
		}
	}
	return fmt.Errorf("%s: must be one of %q, not %q", field, allowed[1:], shortened(value))
}

func checkMetadata(metadata map[string]string) error {
	if len(metadata) > ledger.MaxMetadata {
		return fmt.Errorf("metadata: has %d keys, at most %d are allowed", len(metadata), ledger.MaxMetadata)
	}
	for _, key := range slices.Sorted(maps.Keys(metadata)) {
		if !metadataKey.MatchString(key) {
			return fmt.Errorf("metadata: the key %q is not 1 to %d bytes of a-z 0-9 and ._-", shortened(key), ledger.MaxMetadataKey)
		}
		if err := checkText("metadata "+key, metadata[key], ledger.MaxMetadataValue); err != nil {
			return err
		}
	}
	return nil
}

func checkText(field, text string, most int) error {
	if len(text) > most {
		return fmt.Errorf("%s: is %d bytes long, at most %d are allowed", field, len(text), most)
	}
	if strings.ContainsFunc(text, unicode.IsControl) {
		return fmt.Errorf("%s: %q has a control character", field, shortened(text))
	}
	return nil
}

// parseTime reads what formatTime spells.
func parseTime(field, text string) (int64, error) {
	instant, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is no time like 2026-11-22T15:04:05.123456789Z", field, shortened(text))
	}
	nanos := instant.UnixNano()
	if !time.Unix(0, nanos).Equal(instant) {
		return 0, fmt.Errorf("%s: %s is too far from 1970", field, shortened(text))
	}
	if nanos < 0 {
		return 0, fmt.Errorf("%s: %s is before 1970", field, shortened(text))
	}
	return nanos, nil
}
