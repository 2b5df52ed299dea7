package conformance

import (
	"encoding/json"
	"fmt"
	"math"
	"strconv"
	"testing"

	pb "acquired/proto/acquired/v1"
)

// change gives the change of the tree that a step makes.
func (p *play) change(s *recordedStep) *pb.Change {
	p.t.Helper()
	switch s.Do {
	case "create":
		return &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: s.Path, Directory: s.Directory}}}
	case "delete":
		return removal(s.Path)
	case "remove":
		return takingOff(s.Path, tagOf(s.Tag), p.numbered(s.Path, number(p.t, s.Unique)))
	case "annotate":
		return p.annotating(s)
	}
	p.t.Fatalf("what is it to %s?", s.Do)
	return nil
}

// numbers are clauses of the universes by the number that they had there, which is
// in no file: each is the only one for its operation on its node.
var numbers = map[uint64]string{79234067: "View"}

// numbered gives the number of an annotation here.
func (p *play) numbered(path string, unique uint64) uint64 {
	p.t.Helper()
	operation, ok := numbers[unique]
	if !ok {
		return unique
	}
	res, err := p.operator.Acl.Describe(p.t.Context(), &pb.DescribeRequest{Path: path})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, a := range res.Annotations {
		if a.GetClause().GetOperation() == operation {
			return a.Unique
		}
	}
	p.t.Fatalf("%s has no clause for %s", path, operation)
	return 0
}

// tagOf gives the tag that is in place of one of Access Manager.
func tagOf(tag string) string {
	if tag == "ace" {
		return "clause"
	}
	return tag
}

// oldAnnotation is an annotation as Access Manager takes it.
type oldAnnotation struct {
	Tag string `json:"tag"`
	// Operation is a name or a number.
	Operation any  `json:"op"`
	Local     bool `json:"local"`
	ACLs      []struct {
		Roles []string `json:"roles"`
	} `json:"acls"`
	Role    string `json:"role"`
	Data    string `json:"data"`
	Unique  string `json:"unique"`
	Version string `json:"version"`
	Start   string `json:"startMillis"`
	End     string `json:"endMillis"`
}

func (p *play) annotating(s *recordedStep) *pb.Change {
	p.t.Helper()
	var old oldAnnotation
	if err := json.Unmarshal(s.Annotation, &old); err != nil {
		p.t.Fatal(err)
	}
	a := &pb.Annotation{
		Tag: tagOf(old.Tag), Unique: number(p.t, old.Unique), StartUnixNanos: nanos(p.t, old.Start), EndUnixNanos: nanos(p.t, old.End),
	}
	switch old.Tag {
	case "ace":
		clause := &pb.Clause{Operation: fmt.Sprint(old.Operation), Local: old.Local, EndWidens: old.End != ""}
		for _, set := range old.ACLs {
			one := &pb.RoleSet{}
			for _, role := range set.Roles {
				one.Roles = append(one.Roles, &pb.RoleName{Path: role})
			}
			clause.Sets = append(clause.Sets, one)
		}
		a.Content = &pb.Annotation_Clause{Clause: clause}
	case "applied-role":
		a.Content = &pb.Annotation_Role{Role: &pb.RoleName{Path: old.Role}}
	default:
		a.Content = &pb.Annotation_Text{Text: p.filled(old.Data)}
	}
	written := writing(s.Path, a)
	written.GetAnnotate().IfVersion = int64(number(p.t, old.Version))
	return written
}

// number reads a number that may be missing. A negative one is what it would be on
// the wire.
func number(t *testing.T, s string) uint64 {
	t.Helper()
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return uint64(n)
}

// nanos gives the nanoseconds of milliseconds. Times behind the last there is are
// the last.
func nanos(t *testing.T, millis string) int64 {
	t.Helper()
	n := int64(number(t, millis))
	if n > math.MaxInt64/1_000_000 {
		return math.MaxInt64
	}
	return n * 1_000_000
}
