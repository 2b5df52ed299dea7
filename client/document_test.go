package client_test

import (
	"bytes"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/mod/sumdb/note"

	"acquired/client"
	"acquired/proto/fault"
)

const chequeText = `acquired cheque v1
id: cheque-7
resource: "run \"a\"\nof: b"
ceiling: 12.50
by: 'x'
line: first
line: second
`

// signer makes a key, and gives what signs with it and its verifier key.
func signer(t *testing.T, name string) (note.Signer, string) {
	t.Helper()
	private, public, err := note.GenerateKey(rand.Reader, name)
	if err != nil {
		t.Fatal(err)
	}
	s, err := note.NewSigner(private)
	if err != nil {
		t.Fatal(err)
	}
	return s, public
}

func sign(t *testing.T, text string, signers ...note.Signer) []byte {
	t.Helper()
	signed, err := note.Sign(&note.Note{Text: text}, signers...)
	if err != nil {
		t.Fatal(err)
	}
	return signed
}

func TestOpenDocument(t *testing.T) {
	t.Parallel()
	cluster, key := signer(t, "research")
	_, otherKey := signer(t, "research")
	sum := sha256.Sum256([]byte(chequeText))
	want := &client.Document{
		ID: "cheque-7", Type: "cheque", Signer: "research", Text: chequeText, Hash: hex.EncodeToString(sum[:]),
		Fields: []client.DocumentField{
			{Key: "id", Value: "cheque-7"}, {Key: "resource", Value: "run \"a\"\nof: b"}, {Key: "ceiling", Value: "12.50"},
			{Key: "by", Value: "'x'"}, {Key: "line", Value: "first"}, {Key: "line", Value: "second"},
		},
	}
	signed := sign(t, chequeText, cluster)
	// A key that is given twice is no other than one that is given once.
	got, err := client.OpenDocument(signed, otherKey, key, key)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("document differs (-want +got):\n%s", diff)
	}
	if got, want := got.Value("line")+got.Value("nothing"), "first"; got != want {
		t.Errorf("values: got %q, want %q", got, want)
	}

	want.Signer = ""
	if got, err = client.ReadDocument(signed); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("unverified document differs (-want +got):\n%s", diff)
	}
}

// A document that another has signed too is good by the signature of either.
func TestOpenDocumentOfTwoSigners(t *testing.T) {
	t.Parallel()
	cluster, key := signer(t, "research")
	witness, _ := signer(t, "witness")
	d, err := client.OpenDocument(sign(t, chequeText, witness, cluster), key)
	if err != nil {
		t.Fatal(err)
	}
	if d.Signer != "research" {
		t.Errorf("signer: got %q, want research", d.Signer)
	}
}

func TestOpenDocumentRefuses(t *testing.T) {
	t.Parallel()
	cluster, key := signer(t, "research")
	stranger, otherKey := signer(t, "elsewhere")
	signed := sign(t, chequeText, cluster)
	// flipped has another signature of the right form.
	flipped := bytes.Clone(signed)
	if at := len(flipped) - 10; flipped[at] == 'A' {
		flipped[at] = 'B'
	} else {
		flipped[at] = 'A'
	}
	tests := []struct {
		name   string
		signed []byte
		keys   []string
		kind   fault.Kind
		want   string
	}{
		{"altered text", bytes.Replace(signed, []byte("12.50"), []byte("92.50"), 1), []string{key}, fault.Unauthenticated,
			"document is not what research signed: it or the signature was altered"},
		{"altered signature", flipped, []string{key}, fault.Unauthenticated,
			"document is not what research signed: it or the signature was altered"},
		{"unknown key", signed, []string{otherKey}, fault.Unauthenticated,
			"document says it is signed by research, with a key that is none of those given"},
		{"signed by another under the same text", sign(t, chequeText, stranger), []string{key}, fault.Unauthenticated,
			"document says it is signed by elsewhere, with a key that is none of those given"},
		{"no key", signed, nil, fault.Invalid,
			"no verifier key is given, a document can not be verified without one"},
		{"no such key", signed, []string{key, "research+1"}, fault.Invalid,
			`verifier key "research+1" must be "NAME+HASH+KEY": malformed verifier id`},
		{"no signature", []byte(chequeText), []string{key}, fault.Invalid, "document is no signed note: malformed note"},
		{"nothing", nil, []string{key}, fault.Invalid, "document is no signed note: malformed note"},
		{"wrong type", sign(t, "acquired checkpoint v1\nid: 7\n", cluster), []string{key}, fault.Invalid,
			`document begins with "acquired checkpoint v1", not with "acquired TYPE v1" and a TYPE of cheque, invoice, receipt, refund, exchange`},
		{"later version", sign(t, "acquired cheque v12\nid: 7\n", cluster), []string{key}, fault.Invalid,
			`document begins with "acquired cheque v12", not with "acquired TYPE v1" and a TYPE of cheque, invoice, receipt, refund, exchange`},
		{"not of acquired", sign(t, "go.sum database tree\n1\n", cluster), []string{key}, fault.Invalid,
			`document begins with "go.sum database tree", not with "acquired TYPE v1" and a TYPE of cheque, invoice, receipt, refund, exchange`},
		{"no id", sign(t, "acquired cheque v1\nceiling: 1\n", cluster), []string{key}, fault.Invalid, "document has no id"},
		{"a line that is no field", sign(t, "acquired cheque v1\nid: 7\nceiling\n", cluster), []string{key}, fault.Invalid,
			`document has the line "ceiling", which is not "key: value"`},
		{"oversized", sign(t, chequeText+"description: "+strings.Repeat("x", 1<<20)+"\n", cluster), []string{key}, fault.Invalid,
			"at most 1048576 are allowed"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			d, err := client.OpenDocument(test.signed, test.keys...)
			if d != nil || !errors.Is(err, test.kind) || !strings.HasSuffix(err.Error(), test.want) {
				t.Errorf("got %v, %v, want the fault %s %q", d, err, test.kind, test.want)
			}
		})
	}
}

// What was not verified has the same form, or is refused.
func TestReadDocumentRefuses(t *testing.T) {
	t.Parallel()
	cluster, _ := signer(t, "research")
	for name, signed := range map[string][]byte{
		"no signature": []byte(chequeText),
		"wrong type":   sign(t, "acquired checkpoint v1\nid: 7\n", cluster),
		"oversized":    bytes.Repeat([]byte("x"), 1<<20+1),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if d, err := client.ReadDocument(signed); d != nil || !errors.Is(err, fault.Invalid) {
				t.Errorf("got %v, %v, want an invalid fault", d, err)
			}
		})
	}
}

func ExampleOpenDocument() {
	const (
		key    = "research+936a8f8e+AeaAEyDhrn9A0g4tesebjJCmZGSlcuVxjpKoNNTEgQjI"
		signed = `acquired receipt v1
id: receipt-7
time: 1795359736575955368
by: /user/physics/alice
hold: job-7
captured: 80.00

— research k2qPjlKXQnEStHhpV1JuueiXNZsbeKTT8VMstlt7QhHr0J/6BL9HNvium4qCTkEMUktx/z4uFixFGCWAfPo/SQ5XXQw=
`
	)
	receipt, err := client.OpenDocument([]byte(signed), key)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(receipt.Signer, "signed a", receipt.Type, "for", receipt.Value("captured"), "of", receipt.Value("hold"))
	// Output: research signed a receipt for 80.00 of job-7
}

func FuzzOpenDocument(f *testing.F) {
	private, key, err := note.GenerateKey(rand.Reader, "research")
	if err != nil {
		f.Fatal(err)
	}
	cluster, err := note.NewSigner(private)
	if err != nil {
		f.Fatal(err)
	}
	signed, err := note.Sign(&note.Note{Text: chequeText}, cluster)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(signed)
	f.Fuzz(func(t *testing.T, input []byte) {
		d, err := client.OpenDocument(input, key)
		if err == nil && d.Text != chequeText {
			t.Errorf("opened %q, which was never signed", d.Text)
		}
		if _, err := client.ReadDocument(input); err != nil && !errors.Is(err, fault.Invalid) {
			t.Errorf("read: got %v, want an invalid fault", err)
		}
	})
}
