package server_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	"acquired/fsm/acl"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server"
	"acquired/server/servertest"
	elements "acquired/server/wire"
)

// many gives an encoded message with as many empty elements in a field as fit into a
// request: two bytes each here, and some hundreds where they are decoded.
func many(field byte) []byte {
	return bytes.Repeat([]byte{field<<3 | byte(protowire.BytesType), 0}, (server.MaxMessage-1<<10)/2)
}

// raw calls a method with bytes for a message.
func raw(conn *grpc.ClientConn, method string, b []byte) func(context.Context) error {
	return func(ctx context.Context) error {
		return conn.Invoke(ctx, method, b, nil, grpc.ForceCodec(rawCodec{}))
	}
}

// TestMessagesOfManyElements: they are refused, and take no memory to speak of.
func TestMessagesOfManyElements(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		operator := cluster.Operator()
		follower := followerOf(t, cluster, operator)
		pair, err := cluster.Authority().IssueOperator("operator", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		nobody, known := wireTo(t, cluster, follower, nil), wireTo(t, cluster, follower, &pair)
		first := many(1)
		says := []string{"messages and elements of lists", fmt.Sprint(server.MaxElements)}
		for _, c := range []badCall{
			{"transfers", raw(known, pb.Ledger_Transfer_FullMethodName, first), fault.Invalid, append(says, "TransferRequest")},
			{"changes", raw(known, pb.Acl_Change_FullMethodName, first), fault.Invalid, append(says, "ChangeRequest")},
			{"calls", raw(known, pb.Batch_Execute_FullMethodName, first), fault.Invalid, append(says, "BatchRequest")},
			{"stream", checkOn(known, many(2)), fault.Invalid, append(says, "CheckManyRequest")},
			{"call in a batch", func(ctx context.Context) error {
				return (&wire{operator: known}).batch(ctx, &pb.BatchCall{Command: "ledger.transfer", RequestId: "many", Body: first})
			}, fault.Invalid, append(says, "ledger.transfer")},
			{"of nobody", raw(nobody, pb.Ledger_Transfer_FullMethodName, first), fault.Unauthenticated, nil},
			{"for nodes", raw(known, statev1.Peer_Join_FullMethodName, first), fault.Denied, nil},
			{"of who logs in", raw(nobody, pb.Identity_Login_FullMethodName, first), fault.Invalid, []string{"LoginRequest", "limit of 65536"}},
		} {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			badCalls{c}.check(t, operator)
			runtime.ReadMemStats(&after)
			// The message is copied some times on its way. Decoded it takes gigabytes.
			if got := after.TotalAlloc - before.TotalAlloc; got > 256<<20 {
				t.Errorf("%s: %d bytes of memory for a message of %d", c.name, got, len(first))
			}
		}
	})
}

// checkOn sends a message on a stream of checks.
func checkOn(conn *grpc.ClientConn, b []byte) func(context.Context) error {
	return func(ctx context.Context) error {
		desc := &grpc.StreamDesc{ClientStreams: true, ServerStreams: true}
		stream, err := conn.NewStream(ctx, desc, pb.Acl_CheckStream_FullMethodName, grpc.ForceCodec(rawCodec{}))
		if err != nil {
			return err
		}
		_ = stream.SendMsg(b) // the answer says what is wrong
		return stream.RecvMsg(&pb.CheckManyResponse{})
	}
}

// TestProofBeforeMessage: whoever proves nothing is refused before a message comes,
// and nobody keeps the node waiting for one.
func TestProofBeforeMessage(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{Nodes: 1})
		cluster.Principal("/user/alice")
		nobody, alice := wireTo(t, cluster, "node1", nil), bearer(cluster.Credential("/user/alice").Token)
		for _, test := range []struct {
			name, method string
			headers      []string
			want         codes.Code
			after        time.Duration
		}{
			{"nobody", pb.Ledger_Transfer_FullMethodName, nil, codes.Unauthenticated, 0},
			{"nobody with a token", pb.Ledger_Balance_FullMethodName, bearer("a.b.c"), codes.Unauthenticated, 0},
			{"a user calls what is for nodes", statev1.Peer_Join_FullMethodName, alice, codes.PermissionDenied, 0},
			{"health", grpc_health_v1.Health_Check_FullMethodName, nil, codes.Unavailable, 10 * time.Second},
			{"a login", pb.Identity_Login_FullMethodName, nil, codes.Unavailable, 10 * time.Second},
			{"a user", pb.Ledger_Transfer_FullMethodName, alice, codes.Unavailable, server.DefaultTimeout},
		} {
			begin := time.Now()
			stream, err := nobody.NewStream(withHeaders(t.Context(), test.headers...), &grpc.StreamDesc{ClientStreams: true}, test.method)
			if err != nil {
				t.Fatal(err)
			}
			err = stream.RecvMsg(&pb.TransferResponse{})
			if status.Code(err) != test.want || time.Since(begin) != test.after {
				t.Errorf("%s sends no message: %v after %s, want %s after %s", test.name, err, time.Since(begin), test.want, test.after)
			}
			if kind := fault.KindOf(fault.FromGRPC(err)); kind == fault.Unavailable && fault.OutcomeOf(fault.FromGRPC(err)) != fault.Definite {
				t.Errorf("%s sends no message: %v is not definite", test.name, err)
			}
		}
	})
}

// TestLargestRequestsAreTaken: what the other limits allow is below that of elements.
func TestLargestRequestsAreTaken(t *testing.T) {
	t.Parallel()
	transfers, invoices, changes := &pb.TransferRequest{}, &pb.OpRequest{}, &pb.ChangeRequest{}
	shares := ledger.MaxEntries
	for range ledger.MaxTransfers {
		one := &pb.Transfer{ThenDebit: make([]string, ledger.MaxSources), Shares: make([]*pb.Share, min(shares, ledger.MaxShares))}
		shares -= len(one.Shares)
		transfers.Transfers = append(transfers.Transfers, one)
	}
	for range ledger.MaxSteps {
		invoices.Steps = append(invoices.Steps, &pb.Step{Step: &pb.Step_IssueInvoice{
			IssueInvoice: &pb.IssueInvoice{Lines: make([]*pb.InvoiceLine, ledger.MaxInvoiceLines)},
		}})
	}
	set := &pb.RoleSet{Roles: []*pb.RoleName{{Path: "/role/a"}}}
	for range acl.MaxChanges {
		changes.Changes = append(changes.Changes, servertest.Annotate("/", &pb.Annotation{Content: &pb.Annotation_Clause{
			Clause: &pb.Clause{Sets: []*pb.RoleSet{set, set, set}},
		}}))
	}
	for _, m := range []proto.Message{transfers, invoices, changes} {
		b, err := proto.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		of := m.ProtoReflect().Descriptor()
		if got := elements.Elements(of, b, 1<<30); got > server.MaxElements {
			t.Errorf("%s: %d elements, over the limit of %d", of.Name(), got, server.MaxElements)
		}
	}
}

// TestMalformedIsNotLogged: what a rule refuses in any state is refused by the node
// that is called, and is not in the log, whichever way it comes.
func TestMalformedIsNotLogged(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		operator := cluster.Dial()
		seed(t, operator, "/account/a")
		pair, err := cluster.Authority().IssueOperator("operator", time.Now())
		if err != nil {
			t.Fatal(err)
		}
		op := &pb.OpRequest{Steps: []*pb.Step{{Step: &pb.Step_Transfer{Transfer: &pb.Transfer{
			Id: "x", Debit: "/account/bank", Credit: "nobody", Amount: "1.00",
		}}}}}
		body, err := proto.Marshal(op)
		if err != nil {
			t.Fatal(err)
		}
		leader := leaderOf(t, operator)
		atLeader := cluster.Dial(leader) // others may not have applied all of it yet
		index := func() uint64 {
			status, err := atLeader.Cluster.Status(t.Context(), &pb.StatusRequest{})
			if err != nil {
				t.Fatal(err)
			}
			return status.Index
		}
		for _, id := range []string{leader, followerOf(t, cluster, operator)} {
			conn := wireTo(t, cluster, id, &pair)
			for way, call := range map[string]func(context.Context) error{
				"a call of its own": func(ctx context.Context) error {
					return conn.Invoke(ctx, pb.Ledger_Op_FullMethodName, op, new(pb.OpResponse))
				},
				"a call in a batch": func(ctx context.Context) error {
					return (&wire{operator: conn}).batch(ctx, &pb.BatchCall{Command: ledger.Op.Name, RequestId: "malformed", Body: body})
				},
			} {
				before := index()
				err := fault.FromGRPC(call(t.Context()))
				if !errors.Is(err, fault.Invalid) || !strings.Contains(err.Error(), "nobody") {
					t.Errorf("%s to %s: %v, want a fault.invalid about nobody", way, id, err)
				}
				if after := index(); after != before {
					t.Errorf("%s to %s: the log went from %d to %d", way, id, before, after)
				}
			}
		}
	})
}
