package universe

import (
	"slices"

	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Mode says what a file is to a cluster that holds something already.
type Mode uint8

// The modes. None of them removes or makes an account, the root, or what is at
// the top once it is there.
const (
	// Add is for a file of new nodes: none may exist yet.
	Add Mode = iota
	// Merge adds what is missing and changes nothing that is there.
	Merge
	// Replace makes the nodes of the file, and all below them, what the file says:
	// it removes what the file does not have. What hangs on an account that the file
	// does not have stays.
	Replace
)

// Plan is what is to be done to a cluster.
type Plan struct {
	// Changes are for one acl.change: roles are there before clauses name them.
	// There may be more than one takes (50,000); taken in parts, in this order, each
	// part is possible, but what is between two of them others see.
	Changes []*pb.Change
	// Differences says the same to people.
	Differences []Difference
	// Notes are about what is not done, or doubtful.
	Notes []Note
	// Force says that the changes name roles that do not exist, which only an
	// operator may, and only by force.
	Force bool
}

// Difference is a node, or an annotation of a node, that is added or removed.
type Difference struct {
	// Added is false for what is removed.
	Added bool
	Path  path.Path
	// What is the annotation; empty for the node itself.
	What string
}

// String gives the difference as a line, such as "+ /data/x clause Read to /role/a".
func (d Difference) String() string {
	line := "- "
	if d.Added {
		line = "+ "
	}
	line += string(d.Path)
	if d.What != "" {
		line += " " + d.What
	}
	return line
}

// Changes is Plan for a cluster that holds nothing yet.
func (u Universe) Changes() (Plan, error) { return u.Plan(nil, Merge) }

// Plan compares the universe with all that a cluster holds, as Acl.Export gives it
// to somebody who sees everything, and says what makes the cluster hold it. It
// returns fault.Exists for nodes that are not new (mode Add), fault.Conflict for
// nodes of another kind and, but for mode Replace, for annotations that differ
// under the same number; fault.Denied when the export is redacted; and
// fault.Invalid when a directory is named as a role.
func (u Universe) Plan(existing []*pb.ExportedNode, mode Mode) (Plan, error) {
	p := planner{
		mode: mode, have: map[path.Path]*had{}, want: map[path.Path]*Node{}, made: map[path.Path]bool{}, closed: map[path.Path]bool{},
		gone: map[path.Path]bool{},
	}
	for i := range u.Nodes {
		p.want[u.Nodes[i].Path] = &u.Nodes[i]
	}
	if err := p.readExisting(existing); err != nil {
		return Plan{}, err
	}
	nodes := slices.Clone(u.Nodes)
	sortNodes(nodes)
	if mode == Replace {
		p.removeOthers()
	}
	for i := range nodes {
		if err := p.node(&nodes[i]); err != nil {
			return Plan{}, err
		}
	}
	if err := p.checkRoles(); err != nil {
		return Plan{}, err
	}
	p.plan.Changes = slices.Concat(p.unhang, p.remove, p.create, p.hang)
	slices.SortStableFunc(p.plan.Differences, compareDifferences)
	return p.plan, nil
}

func compareDifferences(a, b Difference) int {
	switch {
	case a.Path < b.Path:
		return -1
	case a.Path > b.Path:
		return 1
	case a.What == "" && b.What != "":
		return -1
	case a.What != "" && b.What == "":
		return 1
	}
	return 0
}

// had is a node that the cluster has.
type had struct {
	path  path.Path
	kind  Kind
	items []item
}

// planner works out one plan.
type planner struct {
	mode Mode
	have map[path.Path]*had
	want map[path.Path]*Node
	// made, gone and closed are the nodes that the plan makes, those that it
	// removes, and accounts of the file that are not open.
	made, gone, closed map[path.Path]bool

	unhang, remove, create, hang []*pb.Change
	// hung is what the changes in hang write.
	hung []hung
	plan Plan
}

type hung struct {
	at   path.Path
	role path.Path
}

func (p *planner) note(at path.Path, text string) {
	p.plan.Notes = append(p.plan.Notes, Note{Path: at, Text: text})
}

func (p *planner) differ(added bool, at path.Path, what string) {
	p.plan.Differences = append(p.plan.Differences, Difference{Added: added, Path: at, What: what})
}

func (p *planner) readExisting(existing []*pb.ExportedNode) error {
	p.have[path.Root] = &had{path: path.Root}
	for _, e := range existing {
		n, err := fromExported(e)
		if err != nil {
			return err
		}
		items, err := exportedItems(e)
		if err != nil {
			return err
		}
		p.have[n.Path] = &had{path: n.Path, kind: n.Kind, items: items}
	}
	return nil
}

// node plans one node of the file.
func (p *planner) node(n *Node) error {
	if account, ok := p.belowClosed(n.Path); ok {
		p.note(n.Path, "is left out: it is below "+string(account)+", which is no open account")
		return nil
	}
	have := p.have[n.Path]
	switch {
	case have != nil && p.mode == Add && n.Kind != Account && !fixed(n.Path):
		return fault.Exists.New("%s exists", n.Path).With("path", string(n.Path))
	case have != nil:
		if err := p.checkKind(n, have); err != nil {
			return err
		}
		return p.annotations(n, have.items)
	case n.Kind == Account:
		p.closed[n.Path] = true
		p.note(n.Path, "is left out: it is no open account, and the ledger opens accounts")
		return nil
	}
	if err := p.createNode(n.Path, n.Kind); err != nil {
		return err
	}
	return p.annotations(n, nil)
}

func (p *planner) belowClosed(at path.Path) (path.Path, bool) {
	for above := range at.Parent().Ancestors() {
		if p.closed[above] {
			return above, true
		}
	}
	return "", false
}

// checkKind refuses a node that is something else in the cluster. A directory may
// have become an account, and may become one.
func (p *planner) checkKind(n *Node, have *had) error {
	switch {
	case n.Kind == have.kind, have.kind == Account && n.Kind == Directory:
		return nil
	case n.Kind == Account && have.kind == Directory:
		p.note(n.Path, "is no open account yet: the ledger opens accounts")
		return nil
	}
	return fault.Conflict.New("%s is a %s in the file and a %s in the cluster", n.Path, n.Kind, have.kind).With("path", string(n.Path))
}

// createNode makes the node, and before it the directories that are missing above
// it.
func (p *planner) createNode(at path.Path, kind Kind) error {
	above := at.Parent()
	have := p.have[above]
	switch {
	case have != nil && have.kind == Leaf:
		return fault.Conflict.New("%s is a leaf in the cluster, so %s cannot be below it", above, at).With("path", string(above))
	case have == nil && !p.made[above]:
		if err := p.createNode(above, Directory); err != nil {
			return err
		}
	}
	p.made[at] = true
	p.create = append(p.create, &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: string(at), Directory: kind == Directory}}})
	p.differ(true, at, "")
	return nil
}

// annotations plans what hangs on a node.
func (p *planner) annotations(n *Node, have []item) error {
	left := slices.Clone(have)
	var open []item
	for _, want := range n.items() {
		at := slices.IndexFunc(left, func(h item) bool { return samePlace(&want, &h) })
		if at < 0 {
			open = append(open, want)
			continue
		}
		was := left[at]
		left = slices.Delete(left, at, at+1)
		if sameContent(&want, &was) {
			p.keep(n.Path, &was)
			continue
		}
		if p.mode != Replace {
			return fault.Conflict.New("%s: the file has %s (unique %d), and the cluster %s", n.Path, want.text, was.unique, was.text).With("path", string(n.Path))
		}
		p.overwrite(n.Path, &want, &was)
	}
	for _, want := range open {
		at := slices.IndexFunc(left, func(h item) bool { return want.unique == 0 && sameContent(&want, &h) })
		if at >= 0 {
			p.keep(n.Path, &left[at])
			left = slices.Delete(left, at, at+1)
			continue
		}
		p.write(n.Path, &want, 0)
	}
	if p.mode == Replace {
		p.takeOff(n.Path, left)
	}
	return nil
}

// keep notes the roles of an annotation that stays whose nodes go.
func (p *planner) keep(at path.Path, it *item) {
	for _, role := range it.roles() {
		if p.gone[role] {
			p.hung = append(p.hung, hung{at, role})
		}
	}
}

// overwrite writes over an annotation. One that names a role which goes is taken
// off first: the role is not to be in use when its turn comes.
func (p *planner) overwrite(at path.Path, want, was *item) {
	p.differ(false, at, was.text)
	want.pb.Unique = was.unique
	if slices.ContainsFunc(was.roles(), func(role path.Path) bool { return p.gone[role] }) {
		p.unannotate(at, was)
		p.write(at, want, 0)
		return
	}
	p.write(at, want, int64(was.version))
}

func (p *planner) write(at path.Path, it *item, ifVersion int64) {
	p.differ(true, at, it.text)
	p.hang = append(p.hang, &pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: string(at), Annotation: it.pb, IfVersion: ifVersion}}})
	for _, role := range it.roles() {
		p.hung = append(p.hung, hung{at, role})
	}
}

// takeOff removes annotations of a node that remains.
func (p *planner) takeOff(at path.Path, items []item) {
	for i := range items {
		p.differ(false, at, items[i].text)
		p.unannotate(at, &items[i])
	}
}

func (p *planner) unannotate(at path.Path, it *item) {
	p.unhang = append(p.unhang, &pb.Change{Change: &pb.Change_Unannotate{Unannotate: &pb.Unannotate{
		Path: string(at), Tag: it.tag, Unique: it.unique, IfVersion: int64(it.version),
	}}})
}

// removeOthers removes what is below nodes of the file and not in it. Accounts
// stay as they are, and directories above them stay, bare.
func (p *planner) removeOthers() {
	var others []*had
	above := map[path.Path]bool{}
	for _, h := range p.have {
		switch {
		case p.want[h.path] != nil || !p.covered(h.path):
		case h.kind == Account:
			for a := range h.path.Parent().Ancestors() {
				above[a] = true
			}
		default:
			others = append(others, h)
		}
	}
	for at := range p.want {
		for a := range at.Parent().Ancestors() {
			above[a] = true
		}
	}
	// What is below goes first.
	slices.SortFunc(others, func(a, b *had) int {
		if a.path > b.path {
			return -1
		}
		return 1
	})
	for _, h := range others {
		if fixed(h.path) || above[h.path] {
			p.takeOff(h.path, h.items)
			continue
		}
		p.removeNode(h)
	}
}

// covered says whether a node of the file is above the path.
func (p *planner) covered(at path.Path) bool {
	for above := range at.Parent().Ancestors() {
		if p.want[above] != nil {
			return true
		}
	}
	return false
}

// removeNode removes a node. Its clauses and roles go before all nodes, so that
// no role is in use when its turn comes.
func (p *planner) removeNode(h *had) {
	for i := range h.items {
		if tag := h.items[i].tag; tag == tagClause || tag == tagRole {
			p.unannotate(h.path, &h.items[i])
		}
	}
	p.gone[h.path] = true
	p.remove = append(p.remove, &pb.Change{Change: &pb.Change_Remove{Remove: &pb.RemoveNode{Path: string(h.path)}}})
	p.differ(false, h.path, "")
}

// checkRoles looks at the roles that the changes name.
func (p *planner) checkRoles() error {
	noted := map[path.Path]bool{}
	for _, h := range p.hung {
		kind, ok := p.after(h.role)
		switch {
		case ok && kind != Leaf:
			return fault.Invalid.New("%s names %s as a role, and that is a directory of roles", h.at, h.role).With("path", string(h.at))
		case !ok && !noted[h.role]:
			noted[h.role] = true
			p.plan.Force = true
			p.note(h.at, "names the role "+string(h.role)+", which does not exist: only an operator can do that, by force")
		}
	}
	return nil
}

// after gives the kind of a node when the plan is carried out; ok is false when
// there is none.
func (p *planner) after(at path.Path) (kind Kind, ok bool) {
	if n := p.want[at]; n != nil && (p.made[at] || p.have[at] != nil) {
		return n.Kind, true
	}
	if p.made[at] {
		return Directory, true
	}
	if have := p.have[at]; have != nil && !p.gone[at] {
		return have.kind, true
	}
	return 0, false
}
