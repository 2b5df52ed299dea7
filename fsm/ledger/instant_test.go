package ledger

import (
	"math"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestInstant(t *testing.T) {
	t.Parallel()
	for _, nanos := range []int64{0, 1, -1, 951_782_399e9, 951_782_400e9, 4_107_542_400e9, math.MaxInt64, math.MinInt64} {
		wantInstant(t, nanos)
	}
	rapid.Check(t, func(t *rapid.T) { wantInstant(t, rapid.Int64().Draw(t, "nanos")) })
}

func wantInstant(t interface {
	Helper()
	Fatalf(string, ...any)
}, nanos int64) {
	t.Helper()
	form := "2006-01-02T15:04:05.000000000Z"
	if nanos%1e9 == 0 {
		form = time.RFC3339
	}
	if got, want := instant(nanos), time.Unix(0, nanos).UTC().Format(form); got != want {
		t.Fatalf("instant(%d) is %s, want %s", nanos, got, want)
	}
}
