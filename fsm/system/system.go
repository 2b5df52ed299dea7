// Package system keeps what the cluster knows of itself: the format number that
// all its nodes can apply, and the nodes that were taken out of it.
package system

import (
	"google.golang.org/protobuf/proto"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Format is the newest format this release can apply. The replicated number
// starts at 1 and only rises. Raise it by one with each command or record that
// an older release could not apply, and set that command's Since to it.
const Format = 1

// Commands of the package.
var Commands command.Set

// Tick changes nothing by itself: it is an entry whose log time makes what is
// due happen, and the first entry of a leader's term.
var Tick = command.Define(&Commands, "system.tick", command.Internal, tick)

// RaiseFormat raises the format number. The leader proposes it once every
// member can apply it.
var RaiseFormat = command.Define(&Commands, "system.raise_format", command.Internal, raiseFormat)

// RemoveNode notes that a node was taken out, so that it does not come back by
// itself.
var RemoveNode = command.Alone(command.Define(&Commands, "cluster.remove", mayChangeNode[*pb.RemoveRequest], removeNode))

// AdmitNode lets a node that was taken out come back.
var AdmitNode = command.Alone(command.Define(&Commands, "cluster.admit", mayChangeNode[*pb.AdmitRequest], admitNode))

// Observe answers whether the caller may see how the cluster is.
var Observe = command.DefineQuery(&Commands, "cluster.observe", mayObserve, administer)

// Administer answers whether the caller may administer the cluster.
var Administer = command.DefineQuery(&Commands, "cluster.administer", mayAdminister[*pb.StatusRequest], administer)

func mayAdminister[Req proto.Message](kv.Reader, Req) ([]command.Need, error) {
	return []command.Need{{Operation: command.Admin, Path: "/"}}, nil
}

func mayObserve(kv.Reader, *pb.StatusRequest) ([]command.Need, error) {
	return []command.Need{{Operation: command.Read, Path: "/"}}, nil
}

// maxNodeID is in bytes: the id of a node is a label of its name in DNS.
const maxNodeID = 63

func mayChangeNode[Req interface {
	proto.Message
	GetId() string
}](_ kv.Reader, req Req) ([]command.Need, error) {
	if n := len(req.GetId()); n < 1 || n > maxNodeID {
		return nil, fault.Invalid.New("node id of %d bytes: it has 1 to %d", n, maxNodeID)
	}
	return []command.Need{{Operation: command.Admin, Path: "/"}}, nil
}

func tick(*command.Tx, *statev1.TickRequest) (*statev1.TickResponse, error) {
	return &statev1.TickResponse{}, nil
}

func raiseFormat(tx *command.Tx, req *statev1.RaiseFormatRequest) (*statev1.RaiseFormatResponse, error) {
	if req.Format > Format {
		panic("system.raise_format: this release is too old for the cluster")
	}
	now := CurrentFormat(tx)
	if req.Format < now {
		return nil, fault.Conflict.New("the format number is %d and never goes back to %d", now, req.Format)
	}
	formats.Put(tx.Tx, format{number: req.Format})
	return &statev1.RaiseFormatResponse{}, nil
}

// CurrentFormat gives the replicated format number.
func CurrentFormat(r kv.Reader) uint32 {
	f, ok := formats.Get(r, theFormat)
	if !ok {
		return 1
	}
	return f.number
}

func removeNode(tx *command.Tx, req *pb.RemoveRequest) (*pb.RemoveResponse, error) {
	removed.Put(tx.Tx, removedNode{id: req.Id, index: tx.Index})
	return &pb.RemoveResponse{Index: tx.Index}, nil
}

func admitNode(tx *command.Tx, req *pb.AdmitRequest) (*pb.AdmitResponse, error) {
	removed.Delete(tx.Tx, kv.StringKey(req.Id))
	return &pb.AdmitResponse{Index: tx.Index}, nil
}

// Removed says whether the node was taken out and not admitted again.
func Removed(r kv.Reader, id string) bool {
	_, ok := removed.Get(r, kv.StringKey(id))
	return ok
}

// RemovedNodes lists the nodes that were taken out, in order.
func RemovedNodes(r kv.Reader) (ids []string) {
	for node := range removed.All(r) {
		ids = append(ids, node.id)
	}
	return ids
}

func administer(*command.Reading, *pb.StatusRequest) (*pb.StatusResponse, error) {
	return &pb.StatusResponse{}, nil
}
