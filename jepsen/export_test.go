package jepsen

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"acquired/cmd/acquired/journal/journaltest"
	"acquired/jepsen/cluster"
)

// TestExport charges a real log, exports the journal, and has the programs that
// people use for their books read it, and again after it went through a file into
// another cluster, by an import that was killed on the way.
func TestExport(t *testing.T) {
	t.Parallel()
	e := expect(t)
	first, second := cluster.Start(t, cluster.Options{Nodes: 1}), cluster.Start(t, cluster.Options{Nodes: 1})
	first.Run(importArgs(e, "nasa")...)
	file := filepath.Join(t.TempDir(), "journal.jsonl")
	first.Run("ledger", "export", "--out", file)
	cl, made := second.Dial(), 0
	for range 2 {
		if made == e.moved {
			break
		}
		i := startImport(t, second, second.Others()[0], "ledger", "import", file)
		made = waitForTransfers(t, cl, i, made+1)
		if err := i.process.Process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
			t.Fatalf("kill: %v", err)
		}
		<-i.ended
		t.Logf("import killed, with %d of %d transfers made", made, e.moved)
	}
	var done struct {
		Documents map[string]int `json:"documents_left_out"`
		Notes     []string       `json:"notes"`
	}
	if err := json.Unmarshal([]byte(second.Run("ledger", "import", file, "-o", "json")), &done); err != nil {
		t.Fatal(err)
	}
	if len(done.Notes) != 0 || done.Documents["receipt final"] != e.charged {
		t.Errorf("got %+v, want no notes and %d receipts left out, one a charge", done, e.charged)
	}
	for name, c := range map[string]*cluster.Cluster{"exported": first, "imported": second} {
		books := filepath.Join(t.TempDir(), "books.journal")
		c.Run("ledger", "export", "--format", "hledger", "--out", books)
		for _, program := range journaltest.Programs {
			t.Run(name+"/"+program, func(t *testing.T) {
				if diff := cmp.Diff(e.balances("nasa"), journaltest.Balances(t, program, books)); diff != "" {
					t.Errorf("balances differ (-computed +%s):\n%s", program, diff)
				}
			})
		}
	}
}

// balances gives what the log comes to, as the programs name accounts, but for
// zeros.
func (e *expected) balances(name string) map[string]string {
	balances := map[string]string{"account:centre USD": decimal(e.cents)}
	for user, cents := range e.users {
		if cents.Sign() != 0 {
			balances["account:"+name+":"+user+" USD"] = "-" + decimal(cents)
		}
	}
	return balances
}
