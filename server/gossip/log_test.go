package gossip

import (
	"bytes"
	"log"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// newTestLogger gives a logger that writes level, message and attributes.
func newTestLogger() (*logger, *bytes.Buffer) {
	out := new(bytes.Buffer)
	withoutTime := func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}
	return newLogger(slog.New(slog.NewTextHandler(out, &slog.HandlerOptions{ReplaceAttr: withoutTime}))), out
}

func TestLogLevels(t *testing.T) {
	l, out := newTestLogger()
	lines := log.New(l, "", 0)
	lines.Print("[DEBUG] memberlist: one")
	lines.Print("[INFO] memberlist: two")
	lines.Print("[WARN] memberlist: three")
	lines.Print("[ERR] memberlist: four")
	lines.Print("[ERROR] five")
	lines.Print("Err: six")
	lines.Print("[ERR] " + strings.Repeat("x", 2*maxLine))
	want := `level=INFO msg=memberlist line=two
level=WARN msg=memberlist line=three
level=ERROR msg=memberlist line=four
level=ERROR msg=memberlist line=five
level=ERROR msg=memberlist line="Err: six"
level=ERROR msg=memberlist line=` + strings.Repeat("x", maxLine) + "\n"
	if difference := cmp.Diff(want, out.String()); difference != "" {
		t.Errorf("logged (-want +got):\n%s", difference)
	}
}

func TestLogIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, out := newTestLogger()
		for i := range maxLines {
			l.log(slog.LevelWarn, "line", slog.Int("number", i))
			l.log(slog.LevelWarn, "line", slog.Int("number", i))
		}
		l.log(slog.LevelWarn, "one more")
		if got := strings.Count(out.String(), "\n"); got != maxLines {
			t.Errorf("logged %d lines, want %d:\n%s", got, maxLines, out)
		}

		out.Reset()
		time.Sleep(logWindow)
		l.log(slog.LevelWarn, "one more")
		l.log(slog.LevelWarn, "two more")
		want := "level=WARN msg=\"one more\" dropped=2\nlevel=WARN msg=\"two more\"\n"
		if difference := cmp.Diff(want, out.String()); difference != "" {
			t.Errorf("logged (-want +got):\n%s", difference)
		}
	})
}

func TestLogEnds(t *testing.T) {
	l, out := newTestLogger()
	l.close()
	l.log(slog.LevelError, "late")
	if out.Len() > 0 {
		t.Errorf("logged %q, want nothing once closed", out)
	}
}
