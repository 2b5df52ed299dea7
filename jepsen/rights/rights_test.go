package rights

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// story is a principal with a role from index 10 to 20 and again from 30 on, and a
// credential that was good from 5 to 40. All was answered at the times given.
var story = []Turn{
	{Condition: "credential", Index: 5, Holds: true, Call: 1, Return: 2},
	{Condition: "role", Index: 10, Holds: true, Call: 3, Return: 4},
	{Condition: "role", Index: 20, Call: 5, Return: 8},
	{Condition: "role", Index: 30, Holds: true, Call: 9, Return: 10},
	{Condition: "credential", Index: 40, Call: 11, Return: 12},
}

func TestJudge(t *testing.T) {
	allowed := func(index uint64) Use { return Use{Needs: []string{"role", "credential"}, Index: index, Allowed: true} }
	refused := func(index uint64) Use { return Use{Needs: []string{"role", "credential"}, Index: index} }
	write := func(u Use) Use { u.Write = true; return u }
	current := func(u Use) Use { u.Current, u.Call, u.Return = true, 9, 10; return u }
	twice := append([]Turn{{Condition: "role", Index: 20, Holds: true}}, story...)
	for _, test := range []struct {
		name  string
		turns []Turn
		use   Use
		want  string // part of the finding; empty is none
	}{
		{"allowed while entitled", story, allowed(15), ""},
		{"refused before the grant", story, refused(9), ""},
		{"refused between revocation and grant", story, refused(25), ""},
		{"allowed after the next grant", story, allowed(35), ""},
		{"a read of the state behind the grant", story, allowed(10), ""},
		{"a read of the state behind the revocation", story, refused(20), ""},
		{"a command in the entry of the grant", story, write(allowed(10)), ""},
		{"a command refused in the entry of the grant", story, write(refused(10)), ""},
		{"a command in the entry of the revocation", story, write(allowed(20)), ""},
		{"a command refused in the entry of the revocation", story, write(refused(20)), ""},
		{"a read of an entry that revoked and granted", twice, allowed(20), ""},
		{"a refusal without an index", story, refused(0), ""},
		{"a current read of the newest state", story, current(refused(25)), ""},

		{"a command right after the revocation", story, write(allowed(21)), `"role" does not hold`},
		{"a read right after the revocation", story, allowed(21), `"role" does not hold`},
		{"a read of the state behind the revocation that was allowed", story, allowed(20), `"role" does not hold`},
		{"long after the revocation", story, write(allowed(29)), `"role" does not hold`},
		{"before the grant", story, write(allowed(9)), `"role" does not hold`},
		{"with a revoked credential", story, write(allowed(41)), `"credential" does not hold`},
		{"with a credential from nowhere", story, Use{Needs: []string{"role", "other"}, Index: 15, Allowed: true}, `"other" does not hold`},
		{"refused while entitled", story, refused(15), "all of"},
		{"a command refused right after the grant", story, write(refused(11)), "all of"},
		{"allowed without an index", story, allowed(0), "has no index"},
		{"a current read of an old state", story, current(allowed(19)), "at index 20 had been answered"},
		{"a command that says that it is older than it can be", story, write(current(allowed(15))), "at index 20 had been answered"},
		{"a current refusal from an old state", story, current(refused(9)), "had been answered"},
	} {
		t.Run(test.name, func(t *testing.T) {
			// Around it is what is always right: one wrong answer among others is found.
			got := strings.Join(Judge(test.turns, []Use{allowed(12), test.use, refused(22)}), "; ")
			if (got == "") != (test.want == "") || !strings.Contains(got, test.want) {
				t.Errorf("findings are %q, want %q", got, test.want)
			}
		})
	}
}

func TestCover(t *testing.T) {
	use := func(u Use) Use { u.Principal, u.Node, u.Kind = "/user/a", "node1", "transfer"; return u }
	role := []string{"role"}
	uses := []Use{
		use(Use{Needs: role, Write: true, Index: 15, Allowed: true, Call: 4, Return: 6}),
		use(Use{Needs: role, Write: true, Index: 21, Call: 6, Return: 7}),
		use(Use{Needs: role, Index: 35, Allowed: true, Call: 13, Return: 14}),
		// Refused for what came after the role was back: it shows nothing of the role.
		use(Use{Needs: []string{"role", "credential"}, Index: 41, Call: 15, Return: 16}),
	}
	all := map[string]*Tally{"transfer": {2, 2}}
	want := Coverage{
		Before: Tally{}, During: Tally{1, 1}, After: Tally{1, 1},
		ByKind: all, ByNode: map[string]*Tally{"node1": {2, 2}}, ByPrincipal: map[string]*Tally{"/user/a": {2, 2}},
		Revocations: 2, Felt: 2, Contested: 1, Raced: 1,
	}
	if diff := cmp.Diff(want, Cover(story, uses, []Fault{{From: 3, To: 12}})); diff != "" {
		t.Errorf("coverage (-want +got):\n%s", diff)
	}
	unfelt := Cover(story, []Use{uses[0], uses[2]}, nil)
	if unfelt.Felt != 0 || unfelt.Raced != 0 || unfelt.Contested != 1 {
		t.Errorf("without refusals %d revocations were felt, %d contested, %d raced, want 0, 1 and 0", unfelt.Felt, unfelt.Contested, unfelt.Raced)
	}
}
