package acl

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
)

// List gives what is below a path.
var List = command.DefineQuery(&Commands, "acl.list", mayList, answerList)

func mayList(_ kv.Reader, req *pb.ListRequest) ([]command.Need, error) { return mayView(req.Path) }

// mayView is the rule of what asks for one path.
func mayView(name string) ([]command.Need, error) {
	p, err := path.Parse(name)
	if err != nil {
		return nil, err
	}
	return []command.Need{{Operation: command.View, Path: p}}, nil
}

func answerList(v *command.Reading, req *pb.ListRequest) (*pb.ListResponse, error) {
	p, err := path.Parse(req.Path)
	if err != nil {
		return nil, err
	}
	limit, err := pageLimit(req.Limit)
	if err != nil {
		return nil, err
	}
	after, err := cursorPath(req.Cursor)
	if err != nil {
		return nil, err
	}
	who := callerOf(v)
	if tree.Find(v, p) == nil {
		return nil, command.NotFound(p)
	}
	nodes := tree.Children(v, p, after)
	if req.Recursive {
		nodes = tree.DescendantsBut(v, p, after, func(below path.Path) bool { return who.barren(below, command.View) })
	}
	res := &pb.ListResponse{}
	for n := range nodes {
		if !who.sees(n.Path) {
			continue
		}
		if len(res.Nodes) == limit {
			res.Cursor = res.Nodes[limit-1].Path
			break
		}
		res.Nodes = append(res.Nodes, shown(n))
	}
	return res, nil
}

func shown(n *tree.Node) *pb.Node {
	return &pb.Node{Path: string(n.Path), Kind: n.Kind.String(), Created: n.Created}
}
