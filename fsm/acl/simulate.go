package acl

import (
	"slices"
	"strings"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Simulate says what changes would give and take, and makes none of them. They
// are made on an overlay, as the caller and at the log time of the view; what
// refuses them refuses the query.
//
// The answer is the difference of what Check says before and after, for every
// principal, operation and path there is before or after, as far as the caller
// may know it. What is there before is judged by what the caller may do before:
// it must View a path, and View and Read a principal, unless it is the principal.
// So nobody learns by trying what it could not have asked now. What only the
// changes make is judged in the same way after them.
var Simulate = command.DefineQuery(&Commands, "acl.simulate", maySimulate, answerSimulate)

// maySimulate: everybody may try, as with Change.
func maySimulate(r kv.Reader, req *pb.SimulateRequest) ([]command.Need, error) {
	if req.Change == nil {
		return nil, fault.Invalid.New("there is no change to simulate")
	}
	return mayChange(r, req.Change)
}

func answerSimulate(v *command.Reading, req *pb.SimulateRequest) (*pb.SimulateResponse, error) {
	page, err := parsePage(req)
	if err != nil {
		return nil, err
	}
	tx := &command.Tx{Tx: v.Overlay(), Index: v.Index + 1, Time: v.Time, Caller: v.Caller, Entry: new(command.Entry)}
	if _, err := change(tx, req.Change); err != nil {
		return nil, err
	}
	c, err := compare(v, tx, touchedBy(v, req.Change.Changes), page)
	if err != nil {
		return nil, err
	}
	for _, one := range c.principals {
		if page.full() {
			break
		}
		if found := c.differences(one); len(found) > 0 && c.mayAsk(one) {
			page.add(one.path, found)
		}
	}
	return page.answer(), nil
}

// simulationPage is the part of the differences that a request asks for.
type simulationPage struct {
	principalsUnder, pathsUnder path.Path
	operations                  operationSet
	// principal, path and operation are those of the last line of the page before.
	principal, path path.Path
	operation       command.Operation
	limit           int
	// lines are one more than the limit if there are more.
	lines []*pb.Difference
}

// operationSet has the bit of each operation in it.
type operationSet uint16

func (s operationSet) has(o command.Operation) bool { return s&(1<<o) != 0 }

func parsePage(req *pb.SimulateRequest) (page *simulationPage, err error) {
	page = &simulationPage{principalsUnder: path.Root, pathsUnder: path.Root}
	if page.limit, err = pageLimit(req.Limit); err != nil {
		return nil, err
	}
	for _, name := range req.Operations {
		o, err := command.ParseOperation(name)
		if err != nil {
			return nil, err
		}
		page.operations |= 1 << o
	}
	if len(req.Operations) == 0 {
		for _, o := range command.Operations() {
			page.operations |= 1 << o
		}
	}
	if req.PrincipalsUnder != "" {
		if page.principalsUnder, err = path.Parse(req.PrincipalsUnder); err != nil {
			return nil, err
		}
	}
	if req.PathsUnder != "" {
		if page.pathsUnder, err = path.Parse(req.PathsUnder); err != nil {
			return nil, err
		}
	}
	return page, page.parseCursor(req.Cursor)
}

// parseCursor reads what answer wrote.
func (p *simulationPage) parseCursor(cursor string) error {
	if cursor == "" {
		return nil
	}
	malformed := fault.Invalid.New("the cursor is not one of an answer")
	parts := strings.Split(cursor, " ")
	if len(parts) != 3 {
		return malformed
	}
	var errs [3]error
	p.principal, errs[0] = path.Parse(parts[0])
	p.path, errs[1] = path.Parse(parts[1])
	p.operation, errs[2] = command.ParseOperation(parts[2])
	if errs != [3]error{} {
		return malformed
	}
	return nil
}

func (p *simulationPage) full() bool { return len(p.lines) > p.limit }

// add adds what differs for the principal.
func (p *simulationPage) add(principal path.Path, found []difference) {
	for _, one := range p.next(principal, found) {
		for _, o := range command.Operations() {
			done := principal == p.principal && one.path == p.path && o <= p.operation
			if done || !one.gained.has(o) && !one.lost.has(o) {
				continue
			}
			p.lines = append(p.lines, &pb.Difference{
				Principal: string(principal), Operation: o.String(), Path: string(one.path), Gained: one.gained.has(o),
			})
			if p.full() {
				return
			}
		}
	}
}

// pathDifference is what differs for a principal at a path.
type pathDifference struct {
	path         path.Path
	gained, lost operationSet
}

// next gives as many of the paths that differ, in order, as the page has room
// for: each makes a line at least, except the one at which the page before ended.
func (p *simulationPage) next(principal path.Path, found []difference) (all []pathDifference) {
	room := p.limit + 2 - len(p.lines)
	for _, d := range found {
		paths := d.of.paths
		if principal == p.principal {
			at, _ := slices.BinarySearch(paths, p.path)
			paths = paths[at:]
		}
		for _, one := range paths[:min(room, len(paths))] {
			all = append(all, pathDifference{one, d.gained, d.lost})
		}
	}
	slices.SortFunc(all, func(a, b pathDifference) int { return strings.Compare(string(a.path), string(b.path)) })
	return all
}

func (p *simulationPage) answer() *pb.SimulateResponse {
	if !p.full() {
		return &pb.SimulateResponse{Differences: p.lines}
	}
	last := p.lines[p.limit-1]
	return &pb.SimulateResponse{
		Differences: p.lines[:p.limit],
		Cursor:      last.Principal + " " + last.Path + " " + last.Operation,
	}
}
