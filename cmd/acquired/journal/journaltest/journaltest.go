// Package journaltest asks the programs that read journals what they read.
package journaltest

import (
	"bytes"
	"encoding/csv"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// Programs are those that read the format "hledger".
var Programs = []string{"hledger", "ledger"}

// Balances gives what the program makes of the file: the balance of each account
// of each commodity, "account:lab USD", except those that are zero. It fails the
// test when the program finds anything wrong with the file, and skips it when the
// program is not installed.
func Balances(t testing.TB, program, path string) map[string]string {
	t.Helper()
	if _, err := exec.LookPath(program); err != nil {
		t.Skipf("%s is not installed: nothing tells whether it reads what is written", program)
	}
	if program == "hledger" {
		run(t, program, "-f", path, "check", "--strict")
		return readCSV(t, run(t, program, "-f", path, "balance", "--flat", "--no-total", "--layout=bare", "-O", "csv"))
	}
	return readColumns(t, run(t, program, "--init-file", os.DevNull, "-f", path, "--pedantic",
		"balance", "--flat", "--no-total", "--format", `%(account)\t%(amount)\n`))
}

// run gives what the program prints. What it complains of fails the test, even if
// it goes on.
func run(t testing.TB, program string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Env = append(os.Environ(), "LC_ALL=C.UTF-8")
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil || stderr.Len() > 0 {
		t.Fatalf("%s %s: %v\n%s", program, strings.Join(args, " "), err, stderr.String())
	}
	return stdout.String()
}

// readCSV reads lines of account, commodity and balance, after a line of names.
func readCSV(t testing.TB, text string) map[string]string {
	t.Helper()
	records, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil || len(records) == 0 || len(records[0]) != 3 {
		t.Fatalf("hledger: got %v, %q, want a table of account, commodity and balance", err, text)
	}
	balances := make(map[string]string)
	for _, record := range records[1:] {
		put(balances, record[0], strings.Trim(record[1], `"`), record[2])
	}
	return balances
}

// readColumns reads lines of an account, a tab, an amount and a commodity. An
// account of more commodities has more lines, without the account.
func readColumns(t testing.TB, text string) map[string]string {
	t.Helper()
	balances := make(map[string]string)
	account := ""
	for line := range strings.Lines(text) {
		named, total, ok := strings.Cut(strings.TrimSpace(line), "\t")
		if ok {
			account = named
		} else {
			total = named
		}
		amount, symbol, _ := strings.Cut(strings.TrimSpace(total), " ")
		if account == "" || amount == "" {
			t.Fatalf("ledger: got the line %q, want an account and an amount", line)
		}
		put(balances, account, strings.Trim(symbol, `"`), amount)
	}
	return balances
}

func put(balances map[string]string, account, symbol, amount string) {
	if strings.Trim(amount, "-0.") != "" {
		balances[account+" "+symbol] = amount
	}
}
