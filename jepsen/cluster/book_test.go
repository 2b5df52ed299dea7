package cluster

import (
	"fmt"
	"strings"
	"testing"

	pb "acquired/proto/acquired/v1"
)

// recorder is a test that may fail.
type recorder struct {
	testing.TB
	errors []string
}

func (r *recorder) Helper() {}
func (r *recorder) Errorf(format string, args ...any) {
	r.errors = append(r.errors, fmt.Sprintf(format, args...))
}

func TestBookFinds(t *testing.T) {
	transfer := func(id, amount string) *pb.Transfer {
		return &pb.Transfer{Id: id, Debit: bookPayer, Credit: bookPayee, Amount: amount}
	}
	for _, test := range []struct {
		name  string
		found []*pb.Transfer
		want  string // part of the error; empty is none
	}{
		{"all that was acknowledged", []*pb.Transfer{transfer("made", bookAmount)}, ""},
		{"what nobody knew", []*pb.Transfer{transfer("made", bookAmount), transfer("doubtful", bookAmount)}, ""},
		{"a transfer that was lost", nil, "lost made"},
		{"a transfer that was never to be", []*pb.Transfer{transfer("made", bookAmount), transfer("refused", bookAmount)}, "has refused"},
		{"another amount", []*pb.Transfer{transfer("made", "2.00")}, "of 2.00, want"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r := &recorder{TB: t}
			b := &Book{cluster: &Cluster{t: r}, answers: map[string]answer{"made": acknowledged, "doubtful": doubtful, "refused": refused}}
			found := make(map[string]*pb.Transfer)
			for _, f := range test.found {
				found[f.Id] = f
			}
			b.compare("node1", found, b.Acknowledged())
			if got := strings.Join(r.errors, "; "); (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("errors are %q, want %q", got, test.want)
			}
		})
	}
}
