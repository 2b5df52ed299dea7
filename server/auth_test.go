package server_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	reflectionv1 "google.golang.org/grpc/reflection/grpc_reflection_v1"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	"acquired/client"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/pki"
	"acquired/server/servertest"
)

// answer is a kind of fault, or none, and what its message says.
type answer struct {
	kind fault.Kind
	says string
}

var served = answer{}

func (want answer) is(err error) bool {
	if err == nil {
		return want == served
	}
	return fault.KindOf(err) == want.kind && strings.Contains(err.Error(), want.says)
}

func (want answer) String() string {
	if want == served {
		return "an answer"
	}
	return fmt.Sprintf("%s %q", want.kind, want.says)
}

// access is who may call a method, and what the others are told.
type access struct {
	// request gives a request that is good in the n-th call.
	request func(n int) proto.Message
	// operation and path are the one grant that the call needs; none is a method
	// for all who prove who they are.
	operation, path string
	// granted is the answer to those who may.
	granted answer
	// follower is the answer of a node that does not lead, if that is another.
	follower answer
}

// accessOf has an entry for every method of the API.
func accessOf() map[string]access {
	const observe, administer = "Read", "Admin"
	fixed := func(m proto.Message) func(int) proto.Message { return func(int) proto.Message { return m } }
	pay := func(n int) *pb.TransferRequest {
		return &pb.TransferRequest{Transfers: []*pb.Transfer{
			{Id: fmt.Sprint("auth", n), Debit: "/account/bank", Credit: "/account/a", Amount: "1.00"},
		}}
	}
	return map[string]access{
		pb.Ledger_CreateAsset_FullMethodName: {
			request:   func(n int) proto.Message { return &pb.CreateAssetRequest{Code: fmt.Sprint("A", n)} },
			operation: "Admin", path: "/account",
		},
		pb.Ledger_OpenAccount_FullMethodName: {
			request: func(n int) proto.Message {
				return &pb.OpenAccountRequest{Path: fmt.Sprint("/account/team/", n), Asset: "USD"}
			},
			operation: "Write", path: "/account/team",
		},
		pb.Ledger_Transfer_FullMethodName: {
			request:   func(n int) proto.Message { return pay(n) },
			operation: "Spend", path: "/account/bank",
		},
		pb.Ledger_Lookup_FullMethodName: {
			request:   fixed(&pb.LookupRequest{Ids: []string{"t1"}, Under: "/account/a"}),
			operation: "Read", path: "/account/a",
		},
		pb.Ledger_Balance_FullMethodName: {
			request: fixed(&pb.BalanceRequest{Path: "/account/a"}), operation: "Read", path: "/account/a",
		},
		pb.Ledger_Statement_FullMethodName: {
			request: fixed(&pb.StatementRequest{Path: "/account/a"}), operation: "Read", path: "/account/a",
		},
		pb.Ledger_TrialBalance_FullMethodName: {
			request: fixed(&pb.TrialBalanceRequest{}), operation: "Read", path: "/account",
		},
		pb.Batch_Execute_FullMethodName: {
			request: func(n int) proto.Message {
				body, err := proto.Marshal(pay(n))
				if err != nil {
					panic(err)
				}
				return &pb.BatchRequest{Calls: []*pb.BatchCall{{Command: "ledger.transfer", RequestId: fmt.Sprint("auth", n), Body: body}}}
			},
			operation: "Spend", path: "/account/bank",
		},
		pb.Token_Issue_FullMethodName: {
			request: fixed(&pb.IssueTokenRequest{Subject: "/workload/child"}), operation: "Admin", path: "/workload/child",
		},
		pb.Token_Inspect_FullMethodName:   {request: fixed(&pb.InspectTokenRequest{Token: "x"})},
		pb.Cluster_Status_FullMethodName:  {request: fixed(&pb.StatusRequest{}), operation: observe, path: "/"},
		pb.Cluster_Members_FullMethodName: {request: fixed(&pb.MembersRequest{}), operation: observe, path: "/"},
		pb.Cluster_Hash_FullMethodName:    {request: fixed(&pb.HashRequest{}), operation: observe, path: "/"},
		pb.Cluster_Admit_FullMethodName:   {request: fixed(&pb.AdmitRequest{Id: "node9"}), operation: administer, path: "/"},
		pb.Cluster_Leave_FullMethodName: {
			request: fixed(&pb.LeaveRequest{Id: "node9"}), operation: administer, path: "/",
			granted: answer{fault.Conflict, "does not answer"},
		},
		pb.Cluster_Remove_FullMethodName: {
			request: fixed(&pb.RemoveRequest{Id: "node9"}), operation: administer, path: "/",
			granted: answer{fault.NotFound, "no node"},
		},
		pb.Cluster_TransferLeader_FullMethodName: {
			request: fixed(&pb.TransferLeaderRequest{Id: "node9"}), operation: administer, path: "/",
			granted: answer{fault.NotFound, "no voter"},
		},
		pb.Cluster_Upgrade_FullMethodName:      {request: fixed(&pb.UpgradeRequest{}), operation: administer, path: "/"},
		pb.Cluster_SaveSnapshot_FullMethodName: {request: fixed(&pb.SaveSnapshotRequest{}), operation: administer, path: "/"},
		pb.Cluster_RestoreSnapshot_FullMethodName: {
			request: fixed(&pb.SnapshotChunk{Data: []byte("x")}), operation: administer, path: "/",
			granted: answer{fault.Invalid, "snapshot"}, follower: answer{fault.Unavailable, "not the leader"},
		},
	}
}

// methodsIn gives the methods of a package as they are declared.
func methodsIn(name protoreflect.FullName) map[string]protoreflect.MethodDescriptor {
	methods := make(map[string]protoreflect.MethodDescriptor)
	protoregistry.GlobalFiles.RangeFilesByPackage(name, func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				m := service.Methods().Get(j)
				methods[fmt.Sprintf("/%s/%s", service.FullName(), m.Name())] = m
			}
		}
		return true
	})
	return methods
}

// caller is somebody who calls a node, and how.
type caller struct {
	name  string
	conn  *grpc.ClientConn
	pairs []string // headers
}

// call makes one call of any method and gives its fault.
func (c *caller) call(ctx context.Context, name string, m protoreflect.MethodDescriptor, request proto.Message) error {
	output, err := protoregistry.GlobalTypes.FindMessageByName(m.Output().FullName())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(withHeaders(ctx, c.pairs...), 10*time.Second)
	defer cancel()
	stream, err := c.conn.NewStream(ctx, &grpc.StreamDesc{ServerStreams: m.IsStreamingServer(), ClientStreams: true}, name)
	if err != nil {
		return fault.FromGRPC(err)
	}
	_ = stream.SendMsg(request) // the answer says what is wrong
	_ = stream.CloseSend()
	response := output.New().Interface()
	if err := stream.RecvMsg(response); err != nil {
		return fault.FromGRPC(err)
	}
	if batch, ok := response.(*pb.BatchResponse); ok {
		if f := batch.Answers[0].Fault; f != nil {
			return &fault.Fault{Kind: fault.Kind(f.Kind), Message: f.Message}
		}
	}
	return nil
}

// callers of a node that prove who they are in all possible ways.
type callers struct {
	nobody, powerless, operator, node *caller
	// withToken gives a workload.
	withToken func(name, token string) *caller
}

func newCallers(t *testing.T, cluster *servertest.Cluster, operator *client.Client, node string) *callers {
	t.Helper()
	certificate := func(pair pki.Pair, err error) *pki.Pair {
		if err != nil {
			t.Fatal(err)
		}
		return &pair
	}
	anonymous := wireTo(t, cluster, node, nil)
	asOperator := wireTo(t, cluster, node, certificate(cluster.Authority().IssueOperator("operator", time.Now())))
	asNode := wireTo(t, cluster, node, certificate(cluster.Authority().IssueNode("node1", time.Now())))
	withToken := func(name, token string) *caller { return &caller{name, anonymous, bearer(token)} }
	return &callers{
		nobody:    &caller{"nobody", anonymous, nil},
		powerless: withToken("a workload without grants", issue(t, operator, "/workload/powerless")),
		operator:  &caller{"an operator", asOperator, nil},
		node:      &caller{"a node", asNode, nil},
		withToken: withToken,
	}
}

// TestWhoMayCallWhat goes through every method of the API and every sort of
// caller. What nobody thought of is refused, so a method must be listed above.
func TestWhoMayCallWhat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		operator := cluster.Dial()
		seed(t, operator, "/account/a")
		table, methods := accessOf(), methodsIn("acquired.v1")
		for name := range table {
			if methods[name] == nil {
				t.Errorf("%s is listed and is no method", name)
			}
		}
		calls := 0
		for _, node := range []string{leaderOf(t, operator), followerOf(t, cluster, operator)} {
			leads := node == leaderOf(t, operator)
			who := newCallers(t, cluster, operator, node)
			for name, m := range methods {
				a, ok := table[name]
				if !ok {
					t.Errorf("%s is not listed: who may call it?", name)
					continue
				}
				for by, want := range a.answers(t, who, operator, leads) {
					calls++
					if err := by.call(t.Context(), name, m, a.request(calls)); !want.is(err) {
						t.Errorf("%s by %s: %v (%s), want %v", name, by.name, err, fault.KindOf(err), want)
					}
				}
			}
		}
	})
}

// answers says what each caller must be told.
func (a *access) answers(t *testing.T, who *callers, operator *client.Client, leads bool) map[*caller]answer {
	t.Helper()
	granted := a.granted
	if !leads && a.follower != served {
		granted = a.follower
	}
	want := map[*caller]answer{
		who.nobody:    {fault.Unauthenticated, "no certificate and no token"},
		who.node:      {fault.Denied, "only for somebody else"},
		who.operator:  granted,
		who.powerless: {fault.NotFound, "nothing at " + a.path},
	}
	if a.operation == "" {
		want[who.powerless] = granted
		return want
	}
	workload := func(name, operation, path string) *caller {
		return who.withToken(name, issue(t, operator, "/workload/w", &pb.Grant{Operation: operation, Path: path}))
	}
	want[workload("a workload with the grant", a.operation, a.path)] = granted
	want[workload("a workload that may view", "View", a.path)] = answer{fault.Denied, "may not " + a.operation + " " + a.path}
	want[workload("a workload with the grant for something else", a.operation, "/elsewhere")] = answer{fault.NotFound, "nothing at " + a.path}
	return want
}

// TestWhoMayCallPeers: what nodes ask of nodes is for nodes.
func TestWhoMayCallPeers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		operator := cluster.Dial()
		who := newCallers(t, cluster, operator, leaderOf(t, operator))
		forwarding := &caller{"a node for an operator", who.node.conn, forwarded(t, &statev1.Caller{Principal: "/user/x", Operator: true})}
		all := who.withToken("a workload that may do everything", issue(t, operator, "/workload/w",
			&pb.Grant{Operation: "Admin", Path: "/"}, &pb.Grant{Operation: "Read", Path: "/"}, &pb.Grant{Operation: "Write", Path: "/"}))
		methods := methodsIn("acquired.state.v1")
		if len(methods) < 6 {
			t.Fatalf("the methods of nodes are %v", methods)
		}
		for name, m := range methods {
			for by, want := range map[*caller]answer{
				who.nobody:    {fault.Unauthenticated, "no certificate and no token"},
				who.powerless: {fault.Denied, "only nodes"},
				all:           {fault.Denied, "only nodes"},
				who.operator:  {fault.Denied, "only nodes"},
				forwarding:    {fault.Denied, "only nodes"},
				who.node:      served,
			} {
				if err := by.call(t.Context(), name, m, &statev1.HelloRequest{}); !want.is(err) {
					t.Errorf("%s by %s: %v, want %v", name, by.name, err, want)
				}
			}
		}
	})
}

func forwarded(t *testing.T, c *statev1.Caller) []string {
	t.Helper()
	encoded, err := proto.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	return []string{"acquired-caller-bin", string(encoded)}
}

// TestNodesSpeakForCallers: a forwarded call has the rights of its caller, and
// those only.
func TestNodesSpeakForCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		operator := cluster.Dial()
		seed(t, operator, "/account/a")
		who := newCallers(t, cluster, operator, leaderOf(t, operator))
		name := pb.Ledger_Balance_FullMethodName
		for _, test := range []struct {
			of   *statev1.Caller
			want answer
		}{
			{&statev1.Caller{Principal: "/user/x", Operator: true}, served},
			{&statev1.Caller{Principal: "/workload/x"}, answer{fault.NotFound, "nothing at /account/a"}},
			{&statev1.Caller{Principal: "/workload/x", Grants: []*statev1.Grant{{Operation: "Read", Path: "/account"}}}, served},
			{&statev1.Caller{Principal: "/workload/x", Grants: []*statev1.Grant{{Operation: "View", Path: "/account"}}}, answer{fault.Denied, "/workload/x may not Read"}},
		} {
			by := &caller{"a node", who.node.conn, forwarded(t, test.of)}
			if err := by.call(t.Context(), name, methodsIn("acquired.v1")[name], &pb.BalanceRequest{Path: "/account/a"}); !test.want.is(err) {
				t.Errorf("for %v: %v, want %v", test.of, err, test.want)
			}
		}
	})
}

// TestHealthIsOpenReflectionIsNot, and there is no other service than those that
// are tested here.
func TestHealthIsOpenReflectionIsNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		operator := cluster.Dial()
		who := newCallers(t, cluster, operator, "node1")
		for _, by := range []*caller{who.nobody, who.powerless, who.operator, who.node} {
			res, err := grpc_health_v1.NewHealthClient(by.conn).Check(withHeaders(t.Context(), by.pairs...), &grpc_health_v1.HealthCheckRequest{})
			if err != nil || res.Status != grpc_health_v1.HealthCheckResponse_SERVING {
				t.Errorf("health for %s is %v, %v", by.name, res, err)
			}
		}
		for by, want := range map[*caller]answer{
			who.nobody: {fault.Unauthenticated, "no certificate and no token"}, who.node: {fault.Denied, "only for somebody else"},
			who.powerless: served, who.operator: served,
		} {
			services, err := by.services(t.Context())
			if !want.is(err) {
				t.Errorf("reflection for %s: %v, want %v", by.name, err, want)
			}
			if err == nil && !slices.Equal(services, knownServices) {
				t.Errorf("the services are %v, tested are %v", services, knownServices)
			}
		}
	})
}

var knownServices = []string{
	"acquired.state.v1.Peer", "acquired.v1.Batch", "acquired.v1.Cluster", "acquired.v1.Ledger", "acquired.v1.Token",
	"grpc.health.v1.Health", "grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection",
}

// services asks the node for its services.
func (c *caller) services(ctx context.Context) (names []string, err error) {
	ctx, cancel := context.WithCancel(withHeaders(ctx, c.pairs...))
	defer cancel()
	stream, err := reflectionv1.NewServerReflectionClient(c.conn).ServerReflectionInfo(ctx)
	if err != nil {
		return nil, fault.FromGRPC(err)
	}
	_ = stream.Send(&reflectionv1.ServerReflectionRequest{ // the answer says what is wrong
		MessageRequest: &reflectionv1.ServerReflectionRequest_ListServices{ListServices: "*"},
	})
	res, err := stream.Recv()
	if err != nil {
		return nil, fault.FromGRPC(err)
	}
	for _, s := range res.GetListServicesResponse().GetService() {
		names = append(names, s.Name)
	}
	slices.Sort(names)
	return names, nil
}

// TestTokens: what one node issues, every node accepts, as long as it is valid.
func TestTokens(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		operator := cluster.Dial()
		seed(t, operator, "/account/a")
		for i, id := range cluster.IDs() {
			res, err := cluster.Dial(id).Token.Issue(t.Context(), &pb.IssueTokenRequest{
				Subject: "/workload/scheduler", LifetimeSeconds: 60,
				Grants: []*pb.Grant{{Operation: "Spend", Path: "/account/bank"}, {Operation: "Read", Path: "/account/a"}},
			})
			if err != nil {
				t.Fatal(err)
			}
			if want := time.Now().Add(time.Minute).Unix(); res.ExpiresUnix > want || res.ExpiresUnix < want-1 {
				t.Errorf("the token of %s expires at %d, want %d", id, res.ExpiresUnix, want)
			}
			var clients []*client.Client
			for _, at := range cluster.IDs() {
				clients = append(clients, useToken(t, cluster, at, res, fmt.Sprintf("t-%d-%s", i, at)))
			}
			wait(t, time.Minute)
			for _, c := range clients {
				if _, err := pay(t.Context(), c, "late", "/account/a", "1.00"); fault.KindOf(err) != fault.Unauthenticated {
					t.Errorf("a payment with a token that expired: %v", err)
				}
			}
		}
		if got := credits(t, operator, client.Latest, "/account/a"); got != "9.00" {
			t.Errorf("credits are %s, want 9.00", got)
		}
	})
}

// useToken pays, reads and asks about the token at the node.
func useToken(t *testing.T, cluster *servertest.Cluster, node string, issued *pb.IssueTokenResponse, transfer string) *client.Client {
	t.Helper()
	c := cluster.DialConfig(tokenConfig(cluster, issued.Token, node))
	if _, err := pay(t.Context(), c, transfer, "/account/a", "1.00"); err != nil {
		t.Errorf("a payment at %s: %v", node, err)
	}
	credits(t, c, client.Latest, "/account/a")
	if _, err := c.Ledger.Balance(t.Context(), &pb.BalanceRequest{Path: "/account/bank"}); fault.KindOf(err) != fault.Denied {
		t.Errorf("the balance of an account that it may only spend from: %v, want it denied", err)
	}
	res, err := c.Token.Inspect(t.Context(), &pb.InspectTokenRequest{Token: issued.Token})
	if err != nil {
		t.Fatal(err)
	}
	if !res.Valid || res.Subject != "/workload/scheduler" || res.ExpiresUnix != issued.ExpiresUnix || len(res.Grants) != 2 || res.Id == "" {
		t.Errorf("%s says of the token: %v", node, res)
	}
	if res, err := c.Token.Inspect(t.Context(), &pb.InspectTokenRequest{Token: issued.Token + "x"}); err != nil || res.Valid || res.Reason == "" {
		t.Errorf("%s says of a token that is none: %v, %v", node, res, err)
	}
	return c
}
