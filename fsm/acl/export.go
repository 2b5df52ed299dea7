package acl

import (
	"google.golang.org/protobuf/proto"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
)

// Export gives the nodes at and below a path that the caller may View, with what
// hangs on them as Describe shows it. A page ends early when it has MaxExportBytes.
var Export = command.DefineQuery(&Commands, "acl.export", mayExport, answerExport)

// MaxExportBytes is how large a page of an export is at most, but for its last
// node.
const MaxExportBytes = 4 << 20

func mayExport(_ kv.Reader, req *pb.ExportRequest) ([]command.Need, error) { return mayView(req.Path) }

func answerExport(v *command.Reading, req *pb.ExportRequest) (*pb.ExportResponse, error) {
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
	res := &pb.ExportResponse{}
	bytes := 0
	for n := range tree.Subtree(v, p, after) {
		if !who.sees(n.Path) {
			continue
		}
		if len(res.Nodes) == limit || bytes >= MaxExportBytes {
			res.Cursor = res.Nodes[len(res.Nodes)-1].Node.Path
			break
		}
		one := &pb.ExportedNode{Node: shown(n), Annotations: who.annotations(n.Path)}
		bytes += proto.Size(one)
		res.Nodes = append(res.Nodes, one)
	}
	return res, nil
}
