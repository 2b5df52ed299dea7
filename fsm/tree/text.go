package tree

import (
	"cmp"
	"strings"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/proto/fault"
)

// Text is an annotation that means nothing to the tree itself.
type Text struct {
	Header
	Tag  string
	Text string
}

// Tags of texts that mean something to acquired.
const (
	// TagSSHKey is a line of an authorized_keys file.
	TagSSHKey = "ssh-pubkey"
	// TagDataInfo is JSON; its member delegatedAttributes lists roles.
	TagDataInfo = "data-info"
	// TagProvider is what Delegate gives where no roles are delegated.
	TagProvider = "data-credential-provider"
)

// Limits of texts.
const (
	MaxTag  = 64
	MaxText = 8 << 10
)

// hung is the texts of a node.
type hung struct {
	path path.Path
	all  []Text
}

var texts = kv.NewHashed(&Schema, "tree/text", kv.Codec[hung]{Append: appendTexts, Decode: decodeTexts},
	func(t hung) path.Path { return t.path }, 0)

func appendTexts(b []byte, t hung) []byte {
	b = kv.AppendString(b, t.path)
	b = kv.AppendUint(b, uint64(len(t.all)))
	for _, one := range t.all {
		b = AppendHeader(b, one.Header)
		b = kv.AppendString(b, one.Tag)
		b = kv.AppendString(b, one.Text)
	}
	return b
}

func decodeTexts(b []byte) (hung, error) {
	d := kv.NewDecoder(b)
	t := hung{path: path.Path(d.String())}
	for range min(d.Uint(), MaxAnnotations) {
		t.all = append(t.all, Text{Header: DecodeHeader(&d), Tag: d.String(), Text: d.String()})
	}
	return t, d.Err()
}

// Texts gives the texts on a node, also those that have ended or are to begin,
// ordered by tag and unique. Nobody may change the slice.
func Texts(r kv.Reader, p path.Path) []Text {
	t, _ := texts.Get(r, p)
	return t.all
}

// CheckTag refuses what is no tag.
func CheckTag(tag string) error {
	ok := len(tag) >= 1 && len(tag) <= MaxTag && tag[0] != '-'
	for i := range len(tag) {
		c := tag[i]
		ok = ok && (c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-')
	}
	if !ok {
		return fault.Invalid.New("tag %q: a tag is 1 to %d of a-z, 0-9 and -, and begins with none of -", tag[:min(len(tag), 80)], MaxTag)
	}
	return nil
}

// PutText writes a text. A unique of 0 is the next free one of its tag on the
// node. It gives the header that was written.
func PutText(tx *command.Tx, p path.Path, text Text, ifVersion int64) (Header, error) {
	if len(text.Text) > MaxText {
		return Header{}, fault.Invalid.New("the text of an annotation is at most %d bytes, this is %d", MaxText, len(text.Text))
	}
	of, _ := texts.Get(tx, p)
	all, at, err := Place(of.all, text, textHeader, compareTexts, ifVersion, tx.Time)
	if err != nil {
		return Header{}, err
	}
	texts.Put(tx.Tx, hung{p, all})
	return all[at].Header, NoteBoundaries(tx, all[at].Header)
}

// RemoveText removes a text.
func RemoveText(tx *command.Tx, p path.Path, tag string, unique uint64, ifVersion int64) error {
	of, _ := texts.Get(tx, p)
	all, err := Displace(of.all, Text{Header: Header{Unique: unique}, Tag: tag}, textHeader, compareTexts, ifVersion, tx.Time)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		texts.Delete(tx.Tx, p)
		return nil
	}
	texts.Put(tx.Tx, hung{p, all})
	return nil
}

func textHeader(t *Text) *Header { return &t.Header }

func compareTexts(a, b *Text) int {
	return cmp.Or(strings.Compare(a.Tag, b.Tag), cmp.Compare(a.Unique, b.Unique))
}
