package acl_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/testing/protocmp"

	"acquired/fsm/acl"
	"acquired/fsm/fsmtest"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// exported gives all pages of an export.
func exported(t *testing.T, c *fsmtest.Client, req *pb.ExportRequest) (all []*pb.ExportedNode, err error) {
	t.Helper()
	for {
		res, err := fsmtest.Ask(c, acl.Export, req)
		if err != nil {
			return nil, err
		}
		all = append(all, res.Nodes...)
		if res.Cursor == "" {
			return all, nil
		}
		if len(res.Nodes) == 0 || req.Limit != 0 && len(res.Nodes) > int(req.Limit) {
			t.Fatalf("a page of %d, with more behind it, has %d nodes", req.Limit, len(res.Nodes))
		}
		req.Cursor = res.Cursor
	}
}

// TestExportIsWhatListAndDescribeSay compares exports of random worlds with the
// reference.
func TestExportIsWhatListAndDescribeSay(t *testing.T) {
	t.Parallel()
	seed := firstSeed(t)
	for i := range uint64(4) {
		t.Run(fmt.Sprintf("ACQUIRED_SEED=%d", seed+i), func(t *testing.T) {
			t.Parallel()
			s := newWorkshop(t, seed+i)
			s.furnish()
			now := s.m.Position().Time
			for _, p := range append(s.w.principals(), "operator") {
				who := somebody{path: p}
				if p == "operator" {
					who = somebody{path: "/user/operator", operator: true}
				}
				for _, top := range []string{"/", "/user", pick(s, s.ever)} {
					limit := uint32(s.rand.IntN(5))
					got, err := exported(t, s.m.As(who.caller()), &pb.ExportRequest{Path: top, Limit: limit})
					if !s.w.sees(who, top, now) {
						if fault.KindOf(err) != fault.NotFound || err == nil {
							t.Errorf("%v exports %s, which it may not View: %v, %v", who, top, got, err)
						}
						continue
					}
					if err != nil {
						t.Fatalf("%v exports %s: %v", who, top, err)
					}
					var want []*pb.ExportedNode
					for _, n := range slices.Concat([]*pb.Node{s.w.node(top)}, s.w.list(who, top, true, now)) {
						want = append(want, &pb.ExportedNode{Node: n, Annotations: s.w.describe(who, n.Path, now).Annotations})
					}
					if diff := cmp.Diff(want, got, protocmp.Transform()); diff != "" {
						t.Errorf("%v exports %s, %d nodes a page (-want +got): %s", who, top, limit, diff)
					}
				}
			}
		})
	}
}

func TestExportBoundsItsPages(t *testing.T) {
	t.Parallel()
	m, alice := open(t)
	note := textNote("t", 0)
	note.Content = &pb.Annotation_Text{Text: strings.Repeat("x", tree.MaxText)}
	const leaves = 5
	for i := range leaves {
		p := fmt.Sprintf("/data/d/%d", i)
		must(t, m.Operator, slices.Concat([]*pb.Change{leafAt(p)}, slices.Repeat([]*pb.Change{annotated(p, note)}, 100))...)
	}
	pages, seen := 0, 0
	req := &pb.ExportRequest{Path: "/data/d"}
	for {
		res, err := fsmtest.Ask(alice, acl.Export, req)
		if err != nil {
			t.Fatal(err)
		}
		if size := proto.Size(res); size > acl.MaxExportBytes+1<<20 {
			t.Errorf("page %d has %d bytes", pages, size)
		}
		pages, seen = pages+1, seen+len(res.Nodes)
		if req.Cursor = res.Cursor; req.Cursor == "" {
			break
		}
	}
	if pages != 1 || seen != leaves+1 {
		t.Errorf("%d nodes come in %d pages, want %d in 1", seen, pages, leaves+1)
	}
	for i := range leaves {
		p := fmt.Sprintf("/data/d/%d", i)
		must(t, m.Operator, slices.Repeat([]*pb.Change{annotated(p, note)}, 100)...)
	}
	req = &pb.ExportRequest{Path: "/data/d"}
	first, err := fsmtest.Ask(alice, acl.Export, req)
	if err != nil || first.Cursor == "" || len(first.Nodes) >= leaves+1 {
		t.Fatalf("a page of %d nodes and %d bytes ends at %q, %v", len(first.GetNodes()), proto.Size(first), first.GetCursor(), err)
	}
	all, err := exported(t, alice, req)
	if err != nil || len(all) != leaves+1 {
		t.Errorf("%d nodes in all pages, %v; want %d", len(all), err, leaves+1)
	}
}

func TestExportRefuses(t *testing.T) {
	t.Parallel()
	_, alice := open(t)
	for _, test := range []struct {
		req  *pb.ExportRequest
		want fault.Kind
	}{
		{&pb.ExportRequest{}, fault.Invalid},
		{&pb.ExportRequest{Path: "/data/none"}, fault.NotFound},
		{&pb.ExportRequest{Path: "/data", Cursor: "data"}, fault.Invalid},
		{&pb.ExportRequest{Path: "/data", Limit: acl.MaxPage + 1}, fault.Invalid},
	} {
		if res, err := fsmtest.Ask(alice, acl.Export, test.req); err == nil || fault.KindOf(err) != test.want {
			t.Errorf("%v: got %v, %v; want %s", test.req, res, err, test.want)
		}
	}
}
