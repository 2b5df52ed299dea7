package gossip

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/hashicorp/memberlist"
)

func TestRecordRoundTrip(t *testing.T) {
	want := process("a", 1700000000123456789, "[2001:db8::1]:7000")
	data, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := decodeRecord(&memberlist.Node{Name: want.member(), Meta: data})
	if err != nil {
		t.Fatal(err)
	}
	if difference := cmp.Diff(want, got); difference != "" {
		t.Errorf("record (-want +got):\n%s", difference)
	}
}

func TestDecodeRecord(t *testing.T) {
	tests := map[string]struct {
		data string
		ok   bool
	}{
		"good":              {`{"version":1,"node":"a","start":7,"address":"a:1"}`, true},
		"a field more":      {`{"version":1,"node":"a","start":7,"address":"a:1","zone":"x"}`, true},
		"nothing":           {``, false},
		"not JSON":          {`a:1`, false},
		"two values":        {`{"version":1,"node":"a","start":7,"address":"a:1"}{}`, false},
		"no version":        {`{"node":"a","start":7,"address":"a:1"}`, false},
		"next version":      {`{"version":2,"node":"a","start":7,"address":"a:1"}`, false},
		"another node":      {`{"version":1,"node":"b","start":7,"address":"a:1"}`, false},
		"another start":     {`{"version":1,"node":"a","start":8,"address":"a:1"}`, false},
		"no address":        {`{"version":1,"node":"a","start":7}`, false},
		"no host":           {`{"version":1,"node":"a","start":7,"address":":1"}`, false},
		"no port":           {`{"version":1,"node":"a","start":7,"address":"a"}`, false},
		"longest address":   {`{"version":1,"node":"a","start":7,"address":"` + strings.Repeat("a", maxAddress-2) + `:1"}`, true},
		"too long address":  {`{"version":1,"node":"a","start":7,"address":"` + strings.Repeat("a", maxAddress-1) + `:1"}`, false},
		"too long a record": {`{"version":1,"node":"a","start":7,"address":"a:1"` + strings.Repeat(" ", memberlist.MetaMaxSize) + `}`, false},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			r, err := decodeRecord(&memberlist.Node{Name: "a/7", Meta: []byte(test.data)})
			if (err == nil) != test.ok {
				t.Errorf("decodeRecord = %+v, %v, want ok = %v", r, err, test.ok)
			}
		})
	}
}

func FuzzDecodeRecord(f *testing.F) {
	f.Add("a/7", []byte(`{"version":1,"node":"a","start":7,"address":"a:1"}`))
	f.Fuzz(func(t *testing.T, name string, data []byte) {
		r, err := decodeRecord(&memberlist.Node{Name: name, Meta: data})
		if err != nil {
			return
		}
		if r.member() != name || checkNode(r.Node) != nil || checkAddress(r.Address) != nil {
			t.Errorf("decodeRecord(%q, %q) = %+v, want it refused", name, data, r)
		}
	})
}
