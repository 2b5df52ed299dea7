package acl

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
)

// WhoCan gives the principals that may do an operation on a path, in order: those
// for which Check says so to the caller. Who may View the path may ask; of
// principals that it could not ask Check about, it learns nothing.
var WhoCan = command.DefineQuery(&Commands, "acl.who_can", mayAskWhoCan, answerWhoCan)

func mayAskWhoCan(_ kv.Reader, req *pb.WhoCanRequest) ([]command.Need, error) {
	return mayView(req.Path)
}

func answerWhoCan(v *command.Reading, req *pb.WhoCanRequest) (*pb.WhoCanResponse, error) {
	o, err := command.ParseOperation(req.Operation)
	if err != nil {
		return nil, err
	}
	p, err := path.Parse(req.Path)
	if err != nil {
		return nil, err
	}
	page, err := parsePathPage(req.Under, req.Cursor, req.Limit)
	if err != nil {
		return nil, err
	}
	if tree.Find(v, p) == nil {
		return nil, command.NotFound(p)
	}
	asker := callerOf(v)
	wanted := demandOf(v, v.Time, p, false, command.View, o)
	for principal := range wanted.principals(page.under, page.after) {
		if asker.mayAsk(principal) && !page.add(principal) {
			break
		}
	}
	return &pb.WhoCanResponse{Principals: page.lines, Cursor: page.cursor}, nil
}

// mayAsk says whether the subject may ask about a principal that exists, as
// mayAskAbout has it.
func (s *subject) mayAsk(principal path.Path) bool {
	if principal == s.principal {
		return true
	}
	allowed, _ := s.check(command.Read, principal)
	return allowed
}

// pathPage is a page of paths.
type pathPage struct {
	// under covers what is asked for, and after is before the first of it.
	under, after path.Path
	limit        int
	lines        []string
	// cursor is that of the answer.
	cursor string
}

func parsePathPage(under, cursor string, limit uint32) (page pathPage, err error) {
	page.under = path.Root
	if under != "" {
		if page.under, err = path.Parse(under); err != nil {
			return page, err
		}
	}
	if page.limit, err = pageLimit(limit); err != nil {
		return page, err
	}
	if page.after, err = cursorPath(cursor); page.after < page.under {
		page.after = ""
	}
	return page, err
}

// add adds a path, or says that there is no room: then there is another page.
func (p *pathPage) add(one path.Path) bool {
	if len(p.lines) == p.limit {
		p.cursor = p.lines[p.limit-1]
		return false
	}
	p.lines = append(p.lines, string(one))
	return true
}
