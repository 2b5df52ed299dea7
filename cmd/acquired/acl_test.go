package main

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func TestParseTime(t *testing.T) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	tests := []struct {
		text, want string // empty want is a refusal
	}{
		{"2027-01-31", "2027-01-31T00:00:00Z"},
		{"2027-01-31T15:04:05+02:00", "2027-01-31T13:04:05Z"},
		{"+8h", "2026-03-04T13:06:07Z"},
		{"tomorrow", ""},
		{"8h", ""},
		{"+8", ""},
		{"+-900000h", ""},
		{"1970-01-01", ""},
		{"2262-01-01", ""},
		{"0001-01-01", ""},
	}
	for _, tt := range tests {
		got, err := parseTime("end", tt.text, now)
		if tt.want == "" {
			if failureOf(err).status != statusUsage || !strings.Contains(err.Error(), "--end") {
				t.Errorf("time %q: %d, error %v; want a usage error that names the flag", tt.text, got, err)
			}
			continue
		}
		if err != nil || formatNanos(got) != tt.want {
			t.Errorf("time %q: %s, error %v; want %s", tt.text, formatNanos(got), err, tt.want)
		}
	}
	if got, err := parseTime("end", "", now); got != 0 || err != nil {
		t.Errorf("no time: %d, error %v; want 0, none", got, err)
	}
}

func TestAnnotationNames(t *testing.T) {
	tag, unique, ok := cutAnnotationName(annotationName("applied-role", 12))
	if tag != "applied-role" || unique != 12 || !ok {
		t.Errorf("a name comes back as %q, %d, %v; want applied-role, 12, true", tag, unique, ok)
	}
	for _, name := range []string{"", "clause", "clause-", "clause-0", "clause-x", "-1", "clause-18446744073709551616"} {
		if tag, unique, ok := cutAnnotationName(name); ok {
			t.Errorf("name %q is %q, %d; want a refusal", name, tag, unique)
		}
	}
}

// A directory that may not be seen is drawn for what is below it.
func TestListingDrawsHiddenDirectories(t *testing.T) {
	l := listing{Path: "/data", Nodes: []listedNode{
		{"/data/a", "directory", 3},
		{"/data/a-b", "leaf", 4},
		{"/data/a/x", "leaf", 5},
		{"/data/hidden/y", "leaf", 6},
	}}
	var got strings.Builder
	l.table(&got)
	want := `/data
├── a/
│   └── x
├── a-b
└── hidden/
    └── y
`
	if diff := cmp.Diff(want, got.String()); diff != "" {
		t.Errorf("tree (-want +got):\n%s", diff)
	}
}

func TestClauseText(t *testing.T) {
	a, b, hidden, gone := role{Path: "/role/a"}, role{Path: "/role/b"}, role{Redacted: true}, role{Path: "/role/c", Dangling: true}
	tests := []struct {
		sets [][]role
		want string
	}{
		{nil, "everyone"},
		{[][]role{{}}, "nobody"},
		{[][]role{{a}}, "/role/a"},
		{[][]role{{a, b}, {hidden}}, "/role/a or /role/b, and (hidden role)"},
		{[][]role{{gone}, {}}, "/role/c (does not exist), and nobody"},
	}
	for _, tt := range tests {
		if got := setsText(tt.sets); got != tt.want {
			t.Errorf("sets %v read %q, want %q", tt.sets, got, tt.want)
		}
	}
}

// What anybody may write must not move the cursor of who reads it.
func TestOneLine(t *testing.T) {
	tests := []struct{ text, want string }{
		{"Alice Ng", "Alice Ng"},
		{"a\nb", `"a\nb"`},
		{"\x1b[2J", `"\x1b[2J"`},
		{"\xff", `"\xff"`},
		{strings.Repeat("ä", lineLength+1), strings.Repeat("ä", lineLength) + "…"},
	}
	for _, tt := range tests {
		if got := oneLine(tt.text); got != tt.want {
			t.Errorf("text %q is printed as %q, want %q", tt.text, got, tt.want)
		}
	}
}

// A text that looks like a date or a number of YAML stays as it was written.
func TestDecodeMessage(t *testing.T) {
	const list = `
- annotate: {path: /data/a, if_version: -1, annotation: {tag: day, text: 2027-01-01, end_unix_nanos: 1800000000000000000}}
`
	var document yaml.Node
	if err := yaml.Unmarshal([]byte(list), &document); err != nil {
		t.Fatal(err)
	}
	var change pb.Change
	if err := decodeMessage(document.Content[0].Content[0], &change); err != nil {
		t.Fatal(err)
	}
	a := change.GetAnnotate()
	if a.GetAnnotation().GetText() != "2027-01-01" || a.GetAnnotation().GetEndUnixNanos() != 1_800_000_000_000_000_000 || a.GetIfVersion() != -1 {
		t.Errorf("decoded %v; want the text 2027-01-01 until 1800000000000000000, whatever the version", a)
	}
}

func TestDecodeMessageRefuses(t *testing.T) {
	for list, want := range map[string]string{
		"- {create: {path: /a}, remove: {path: /a}}": "oneof",
		"- {create: {path: /a, path: /b}}":           "path is there twice",
		"- {create: {path: 7}}":                      "string",
		"- &a {create: *a}":                          "anchors and aliases",
		"- text":                                     "syntax error",
	} {
		var document yaml.Node
		if err := yaml.Unmarshal([]byte(list), &document); err != nil {
			t.Fatal(err)
		}
		err := decodeMessage(document.Content[0].Content[0], &pb.Change{})
		if err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "proto") {
			t.Errorf("%s: error %v, want one that speaks of %q alone", list, err, want)
		}
	}
}

func TestPages(t *testing.T) {
	const total = 25_000
	for _, tt := range []struct {
		most, want, calls int
		more              bool
	}{
		{0, total, 3, false},
		{10, 10, 1, true},
		{10_001, 10_001, 2, true},
		{total, total, 3, false},
		{total + 1, total, 3, false},
	} {
		calls := 0
		got, more, err := pages(&limitFlag{tt.most}, func(cursor string, limit uint32) ([]int, string, error) {
			calls++
			first := 0
			if cursor != "" {
				var err error
				if first, err = strconv.Atoi(cursor); err != nil {
					return nil, "", err
				}
			}
			page := []int{}
			for n := first; n < total && len(page) < int(limit); n++ {
				page = append(page, n)
			}
			if next := first + len(page); next < total {
				return page, strconv.Itoa(next), nil
			}
			return page, "", nil
		})
		if len(got) != tt.want || more != tt.more || calls != tt.calls || err != nil {
			t.Errorf("limit %d: %d lines, more %v, %d calls, error %v; want %d, %v, %d, none",
				tt.most, len(got), more, calls, err, tt.want, tt.more, tt.calls)
		}
	}
	_, _, err := pages(&limitFlag{-1}, func(string, uint32) ([]int, string, error) { return nil, "", nil })
	if failureOf(err).status != statusUsage {
		t.Errorf("limit -1: error %v, want a usage error", err)
	}
}

func TestWithdrawTakesEveryApplication(t *testing.T) {
	applied := func(unique, version uint64, role string) *pb.Annotation {
		a := roleAnnotation(role)
		a.Unique, a.Version = unique, version
		return a
	}
	change, err := withdraw("/role/a", &pb.DescribeResponse{
		Node:        &pb.Node{Path: "/user/x"},
		Annotations: []*pb.Annotation{applied(1, 4, "/role/a"), applied(2, 1, "/role/b"), applied(3, 2, "/role/a")},
	})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range change.Changes {
		u := c.GetUnannotate()
		got = append(got, annotationName(u.Tag, u.Unique)+" at "+number(uint64(u.IfVersion)))
	}
	if diff := cmp.Diff([]string{"applied-role-1 at 4", "applied-role-3 at 2"}, got); diff != "" {
		t.Errorf("what is removed (-want +got):\n%s", diff)
	}
	if _, err := withdraw("/role/c", &pb.DescribeResponse{Node: &pb.Node{Path: "/user/x"}}); fault.KindOf(err) != fault.NotFound {
		t.Errorf("a role that it has not: error %v, want not found", err)
	}
}
