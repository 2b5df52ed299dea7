// Package marks finds secrets where they must not be: in files, logs and pages,
// as they are and in the forms in which programs write bytes.
package marks

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strconv"
	"strings"
)

// A secret is looked for in pieces, so that a part of it is found, too: one begins
// every pieceStep bytes, and together that is whatever has 24 bytes in a row.
const pieceSize, pieceStep = 16, 8

// Marks are secrets to look for. The zero value has none.
type Marks struct {
	patterns map[key][]pattern
	// begins has the first two bytes of all patterns: most of what is looked
	// through is passed over by them.
	begins [1 << 16]bool
}

// key is how a pattern begins. All patterns are longer.
type key [8]byte

type pattern struct {
	mark, form string
	bytes      []byte
}

// Finding is a part of a secret that was found.
type Finding struct {
	// Mark is the name of the secret, Form how it was written.
	Mark, Form string
	Offset     int
}

// Add looks for the secret from now on, which must have 16 bytes at least.
func (m *Marks) Add(name string, secret []byte) {
	if len(secret) < pieceSize {
		panic(fmt.Sprintf("the secret %s has %d bytes, want %d at least", name, len(secret), pieceSize))
	}
	// They overlap: how a byte is quoted may depend on its neighbours.
	for at := 0; at < len(secret)-pieceStep; at += pieceStep {
		piece := secret[min(at, len(secret)-pieceSize):][:pieceSize]
		for form, text := range formsOf(piece) {
			m.add(pattern{name, form, text})
		}
	}
}

func (m *Marks) add(p pattern) {
	if m.patterns == nil {
		m.patterns = make(map[key][]pattern)
	}
	k := key(p.bytes[:len(key{})])
	m.patterns[k] = append(m.patterns[k], p)
	m.begins[int(k[0])<<8|int(k[1])] = true
}

// formsOf gives the piece as it may be written.
func formsOf(piece []byte) map[string][]byte {
	digits := hex.EncodeToString(piece)
	quoted := strconv.Quote(string(piece))
	forms := map[string][]byte{
		"raw":     piece,
		"hex":     []byte(digits),
		"HEX":     []byte(strings.ToUpper(digits)),
		"quoted":  []byte(quoted[1 : len(quoted)-1]),
		"numbers": bytes.Trim(fmt.Append(nil, piece), "[]"),
	}
	for before := range 3 {
		for name, encoding := range map[string]*base64.Encoding{"base64": base64.RawStdEncoding, "base64url": base64.RawURLEncoding} {
			forms[fmt.Sprintf("%s behind %d bytes", name, before)] = within(encoding, piece, before)
		}
	}
	return forms
}

// within gives the characters that are of the piece alone when it is encoded
// behind so many bytes of something else, and before more.
func within(encoding *base64.Encoding, piece []byte, before int) []byte {
	text := encoding.AppendEncode(nil, append(make([]byte, before), piece...))
	first := (before*8 + 5) / 6
	end := (before + len(piece)) * 8 / 6
	return text[first:end]
}

// Find gives what of the secrets is in the content. Text is looked for across the
// ends of lines, too, which are how long keys are written.
func (m *Marks) Find(content []byte) []Finding {
	findings := m.find(content)
	for _, f := range m.find(unbroken.replace(content)) {
		f.Offset = -1
		f.Form += ", over several lines"
		findings = append(findings, f)
	}
	return findings
}

// unbroken takes the ends of lines out, also those that were quoted.
var unbroken = remover{"\r\n", "\n", `\r\n`, `\n`}

type remover []string

func (r remover) replace(content []byte) []byte {
	for _, end := range r {
		content = bytes.ReplaceAll(content, []byte(end), nil)
	}
	return content
}

func (m *Marks) find(content []byte) (findings []Finding) {
	for at := 0; at+len(key{}) <= len(content); at++ {
		if !m.begins[int(content[at])<<8|int(content[at+1])] {
			continue
		}
		for _, p := range m.patterns[key(content[at:at+len(key{})])] {
			if bytes.HasPrefix(content[at:], p.bytes) {
				findings = append(findings, Finding{p.mark, p.form, at})
			}
		}
	}
	return findings
}
