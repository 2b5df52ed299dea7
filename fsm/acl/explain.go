package acl

import (
	"iter"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/policy"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
)

// Explain says why a principal may do an operation on a path, or why not: with
// every clause that governs it, met or not.
//
// Who asks must View the path. So what one may not View oneself stays as if it did
// not exist; why another may not View it is told to those who may.
var Explain = command.DefineQuery(&Commands, "acl.explain", mayExplain, answerExplain)

// The reasons of an explanation.
const (
	reasonAllowed  = "allowed"
	reasonNotFound = "not-found"
	reasonNoClause = "no-clause"
	reasonClause   = "clause"
	reasonOperator = "operator"
)

// mayExplain: who may ask about the principal, and may View the path.
func mayExplain(_ kv.Reader, req *pb.ExplainRequest) ([]command.Need, error) {
	needs, err := mayAskAbout(req.Principal)
	if err != nil {
		return nil, err
	}
	view, err := mayView(req.Path)
	if err != nil {
		return nil, err
	}
	return append(needs, view...), nil
}

func answerExplain(v *command.Reading, req *pb.ExplainRequest) (*pb.ExplainResponse, error) {
	q, err := ask(v, req.Principal)
	if err != nil {
		return nil, err
	}
	o, err := command.ParseOperation(req.Operation)
	if err != nil {
		return nil, err
	}
	p, err := path.Parse(req.Path)
	if err != nil {
		return nil, err
	}
	if tree.Find(v, p) == nil {
		return nil, command.NotFound(p)
	}
	asker := callerOf(v)
	governed := q.about.explain(&asker, o, p)
	res := &pb.ExplainResponse{Clauses: governed}
	res.Allowed, res.Visible = q.about.check(o, p)
	if !res.Visible && o != command.View {
		res.Clauses = append(q.about.explain(&asker, command.View, p), governed...)
	}
	switch {
	case q.about.operator:
		res.Reason = reasonOperator
	case res.Allowed:
		res.Reason = reasonAllowed
	case !res.Visible:
		res.Reason, res.Operation = reasonNotFound, command.View.String()
	case len(governed) == 0:
		res.Reason, res.Operation = reasonNoClause, o.String()
	default:
		res.Reason, res.Operation = reasonClause, o.String()
	}
	return res, nil
}

// explain gives the clauses that govern the operation at the path, with what the
// subject holds of each, as the asker may see it. That there are clauses on
// directories which the asker may not View is no secret: they bind what it sees.
func (s *subject) explain(asker *subject, o command.Operation, p path.Path) (all []*pb.ExplainedClause) {
	for at, clause := range governing(s.r, s.now, o, p) {
		shown := &pb.ExplainedClause{At: string(at), Unique: clause.Unique, Operation: o.String(), Local: clause.Local, Met: true}
		for _, set := range clause.Sets {
			var held []path.Path
			for _, role := range set {
				if s.holds(role) {
					held = append(held, role)
				}
			}
			shown.Met = shown.Met && len(held) > 0
			shown.Sets = append(shown.Sets, &pb.ExplainedSet{Met: len(held) > 0, Roles: asker.roleNames(set), Held: asker.roleNames(held)})
		}
		all = append(all, shown)
	}
	return all
}

func (s *subject) holds(role path.Path) bool {
	return s.closure.Meets(policy.And(nil, []string{string(role)}))
}

// governing gives the clauses that govern the operation at the path, with where
// they hang, from the root down.
func governing(r kv.Reader, now int64, o command.Operation, p path.Path) iter.Seq2[path.Path, *tree.Clause] {
	return func(yield func(path.Path, *tree.Clause) bool) {
		for at := range p.Ancestors() {
			clauses := tree.Clauses(r, at)
			for i := range clauses {
				c := &clauses[i]
				governs := c.Operation == o && c.InForce(now) && (!c.Local || at == p)
				if governs && !yield(at, c) {
					return
				}
			}
		}
	}
}
