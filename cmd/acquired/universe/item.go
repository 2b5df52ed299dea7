package universe

import (
	"fmt"
	"slices"
	"strings"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
)

// item is an annotation of any tag, of a file or of a cluster.
type item struct {
	tag string
	// unique is 0 for one of a file that leaves its number open.
	unique  uint64
	version uint64
	// role is set for an applied role: a node has each once, so the role is what
	// tells it apart.
	role path.Path
	// text is the content for people.
	text string
	pb   *pb.Annotation
}

// roles gives the roles that the annotation names.
func (it *item) roles() (roles []path.Path) {
	if role := it.pb.GetRole(); role != nil {
		roles = append(roles, path.Path(role.Path))
	}
	for _, set := range it.pb.GetClause().GetSets() {
		for _, role := range set.Roles {
			roles = append(roles, path.Path(role.Path))
		}
	}
	return roles
}

// items gives what hangs on a node of a file: what has a number first, so that
// what has none does not take it.
func (n *Node) items() []item {
	var all []item
	for i := range n.Roles {
		all = append(all, roleItem(&n.Roles[i]))
	}
	for i := range n.Clauses {
		all = append(all, clauseItem(&n.Clauses[i]))
	}
	for i := range n.Annotations {
		all = append(all, textItem(&n.Annotations[i]))
	}
	numbered := func(it item) int {
		if it.unique == 0 {
			return 1
		}
		return 0
	}
	slices.SortStableFunc(all, func(a, b item) int { return numbered(a) - numbered(b) })
	return all
}

// exportedItems gives what hangs on a node of a cluster.
func exportedItems(e *pb.ExportedNode) ([]item, error) {
	var all []item
	for _, a := range e.Annotations {
		n := Node{Path: path.Path(e.Node.GetPath())}
		if err := n.hang(a); err != nil {
			return nil, err
		}
		it := n.items()[0]
		it.unique, it.version = a.Unique, a.Version
		all = append(all, it)
	}
	return all, nil
}

func roleItem(r *Role) item {
	return item{tag: tagRole, role: r.Role, text: "role " + string(r.Role) + periodText(r.Period), pb: r.proto()}
}

func clauseItem(c *Clause) item {
	return item{tag: tagClause, unique: c.Unique, text: c.text(), pb: c.proto()}
}

func textItem(a *Annotation) item {
	const most = 40
	text := fmt.Sprintf("%q", a.Text)
	if len(a.Text) > most {
		text = fmt.Sprintf("%q...", a.Text[:most])
	}
	return item{tag: a.Tag, unique: a.Unique, text: "annotation " + a.Tag + " " + text + periodText(a.Period), pb: a.proto()}
}

// text gives the clause as in "clause View to /role/a or /role/b, and /role/c".
func (c *Clause) text() string {
	var sets []string
	for _, set := range c.Sets {
		var names []string
		for _, role := range set {
			names = append(names, string(role))
		}
		if len(names) == 0 {
			names = []string{wordNobody}
		}
		sets = append(sets, strings.Join(names, " or "))
	}
	to := strings.Join(sets, ", and ")
	if len(sets) == 0 {
		to = wordEveryone
	}
	if c.Local {
		to += ", local"
	}
	return "clause " + c.Operation.String() + " to " + to + periodText(c.Period)
}

func periodText(p Period) (text string) {
	if p.Start != 0 {
		text += ", from " + timeText(p.Start)
	}
	if p.End != 0 {
		text += ", until " + timeText(p.End)
	}
	return text
}

// sameContent says whether two items differ at most in their number.
func sameContent(a, b *item) bool {
	bare := func(it *item) *pb.Annotation {
		c := proto.CloneOf(it.pb)
		c.Unique = 0
		return c
	}
	return proto.Equal(bare(a), bare(b))
}

// samePlace says whether a node has room for one of the two only.
func samePlace(a, b *item) bool {
	if a.tag != b.tag {
		return false
	}
	if a.tag == tagRole {
		return a.role == b.role
	}
	return a.unique != 0 && a.unique == b.unique
}
