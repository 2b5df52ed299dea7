package server_test

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"maps"
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
	// operation and path are what the call needs; none is a method for all who
	// prove who they are.
	operation, path string
	// also are operations that it needs besides.
	also []string
	// granted is the answer to those who may.
	granted answer
	// follower is the answer of a node that does not lead, if that is another.
	follower answer
	// operator is the answer to an operator, if that is another.
	operator answer
	// open: everybody gets the answer granted.
	open bool
}

// accessOf has an entry for every method of the API.
func accessOf() map[string]access {
	all := make(map[string]access)
	for _, some := range []map[string]access{ledgerAccess(), aclAccess(), identityAccess(), clusterAccess()} {
		maps.Copy(all, some)
	}
	return all
}

// fixed gives a request that is good in each call.
func fixed(m proto.Message) func(int) proto.Message { return func(int) proto.Message { return m } }

func ledgerAccess() map[string]access {
	pay := func(n int) *pb.TransferRequest {
		return &pb.TransferRequest{Transfers: []*pb.Transfer{
			{Id: fmt.Sprint("auth", n), Debit: "/account/bank", Credit: "/account/a", Amount: "1.00"},
		}}
	}
	ofA := func(request proto.Message) access {
		return access{request: fixed(request), operation: "Read", path: "/account/a"}
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
		pb.Ledger_ChangeAccount_FullMethodName: {
			request: fixed(&pb.ChangeAccountRequest{Path: "/account/a"}), operation: "Admin", path: "/account/a",
		},
		pb.Ledger_CloseAccount_FullMethodName: {
			request: fixed(&pb.CloseAccountRequest{Path: "/account/closed"}), operation: "Admin", path: "/account/closed",
			granted: answer{fault.Conflict, "account /account/closed is closed"},
		},
		pb.Ledger_Op_FullMethodName: {
			request:   func(n int) proto.Message { return stepsOf(fmt.Sprint("op", n)) },
			operation: "Spend", path: "/account/bank",
		},
		pb.Ledger_ClosePeriod_FullMethodName: {
			request:   func(n int) proto.Message { return &pb.ClosePeriodRequest{UntilUnixNanos: int64(n)} },
			operation: "Admin", path: "/account",
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
		pb.Ledger_Account_FullMethodName:   ofA(&pb.AccountRequest{Path: "/account/a"}),
		pb.Ledger_Accounts_FullMethodName:  {request: fixed(&pb.AccountsRequest{Under: "/account/a"}), operation: "View", path: "/account/a"},
		pb.Ledger_RollUp_FullMethodName:    ofA(&pb.RollUpRequest{Under: "/account/a"}),
		pb.Ledger_Holds_FullMethodName:     ofA(&pb.HoldsRequest{Account: "/account/a"}),
		pb.Ledger_Documents_FullMethodName: ofA(&pb.DocumentsRequest{Account: "/account/a"}),
		pb.Ledger_Journal_FullMethodName:   ofA(&pb.JournalRequest{Under: "/account/a"}),
		pb.Ledger_Audit_FullMethodName:     ofA(&pb.AuditRequest{Account: "/account/a"}),
		pb.Ledger_Periods_FullMethodName:   {request: fixed(&pb.PeriodsRequest{}), operation: "Read", path: "/account"},
		pb.Ledger_Verify_FullMethodName: {
			request: fixed(&pb.VerifyRequest{}), operation: "Read", path: "/account",
		},
		// Who has a part in a hold or a document may see it, and nobody else is told
		// that there is one.
		pb.Ledger_Hold_FullMethodName: {
			request: fixed(&pb.HoldRequest{Id: "none"}), granted: answer{fault.NotFound, `no hold "none"`},
		},
		pb.Ledger_Document_FullMethodName: {
			request: fixed(&pb.DocumentRequest{Id: "none"}), granted: answer{fault.NotFound, `no document "none"`},
		},
		pb.Ledger_DocumentKeys_FullMethodName: {request: fixed(&pb.DocumentKeysRequest{})},
		pb.Ledger_RotateDocumentKey_FullMethodName: {
			request: fixed(&pb.RotateDocumentKeyRequest{}), operation: "Admin", path: "/",
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
	}
}

// stepsOf gives an op of one step.
func stepsOf(id string) *pb.OpRequest {
	return &pb.OpRequest{Steps: []*pb.Step{{Step: &pb.Step_Transfer{Transfer: &pb.Transfer{
		Id: id, Debit: "/account/bank", Credit: "/account/a", Amount: "1.00",
	}}}}}
}

// someone is the principal that the calls are about, and data what a data
// service keeps.
const someone, data = "/workload/someone", "/data/set"

func aclAccess() map[string]access {
	create := func(n int) *pb.ChangeRequest {
		return &pb.ChangeRequest{Changes: []*pb.Change{{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: fmt.Sprint("/data/", n)}}}}}
	}
	ofSomeone := func(request proto.Message) access {
		return access{request: fixed(request), operation: "Read", path: someone}
	}
	return map[string]access{
		pb.Acl_Change_FullMethodName: {
			request: func(n int) proto.Message { return create(n) }, operation: "Write", path: "/data",
		},
		pb.Acl_Simulate_FullMethodName: {
			request: func(n int) proto.Message { return &pb.SimulateRequest{Change: create(n)} }, operation: "Write", path: "/data",
		},
		pb.Acl_Check_FullMethodName:        ofSomeone(&pb.CheckRequest{Principal: someone, Operation: "Read", Path: "/data"}),
		pb.Acl_CheckMany_FullMethodName:    ofSomeone(&pb.CheckManyRequest{Principal: someone, Operations: []string{"Read"}, Paths: []string{"/data"}}),
		pb.Acl_CheckStream_FullMethodName:  ofSomeone(&pb.CheckManyRequest{Principal: someone, Operations: []string{"Read"}, Paths: []string{"/data"}}),
		pb.Acl_Explain_FullMethodName:      ofSomeone(&pb.ExplainRequest{Principal: someone, Operation: "Read", Path: "/data"}),
		pb.Acl_Capabilities_FullMethodName: ofSomeone(&pb.CapabilitiesRequest{Principal: someone, Path: "/data"}),
		pb.Acl_WhatCan_FullMethodName:      ofSomeone(&pb.WhatCanRequest{Principal: someone, Operation: "Read"}),
		pb.Acl_WhoCan_FullMethodName: {
			request: fixed(&pb.WhoCanRequest{Operation: "Read", Path: data}), operation: "View", path: data,
		},
		pb.Acl_List_FullMethodName:     {request: fixed(&pb.ListRequest{Path: "/data"}), operation: "View", path: "/data"},
		pb.Acl_Describe_FullMethodName: {request: fixed(&pb.DescribeRequest{Path: data}), operation: "View", path: data},
		pb.Acl_Export_FullMethodName:   {request: fixed(&pb.ExportRequest{Path: data}), operation: "View", path: data},
		pb.Acl_Watch_FullMethodName:    {request: fixed(&pb.WatchRequest{})},
	}
}

func identityAccess() map[string]access {
	issuer := func(n int) proto.Message {
		return &pb.PutIssuerRequest{Keys: []byte(strings.Repeat("secret", 6)), Issuer: &pb.Issuer{
			Issuer: fmt.Sprint("https://issuer", n), Audience: "test", Algorithm: "HS256", Subject: "/user/outside/{sub}",
		}}
	}
	return map[string]access{
		pb.Identity_Whoami_FullMethodName: {request: fixed(&pb.WhoamiRequest{})},
		pb.Identity_Login_FullMethodName: {
			request: fixed(&pb.LoginRequest{Principal: someone}), open: true, granted: answer{fault.Unauthenticated, "the login is refused"},
		},
		pb.Identity_Vouch_FullMethodName: {
			request: fixed(&pb.VouchRequest{Subject: someone}), operation: "VouchFor", path: someone,
		},
		pb.Identity_Delegate_FullMethodName: {
			request: fixed(&pb.DelegateRequest{Path: data, Operations: []string{"Read"}}), operation: "Read", path: data,
			operator: answer{fault.Denied, "an operator holds no roles"},
		},
		pb.Identity_Inspect_FullMethodName: {request: fixed(&pb.InspectRequest{Token: "x"})},
		pb.Identity_Revoke_FullMethodName: {
			request: fixed(&pb.RevokeRequest{Principal: someone}), operation: "Admin", path: someone,
		},
		pb.Identity_PutIssuer_FullMethodName: {request: issuer, operation: "Admin", path: "/", also: []string{"VouchFor"}},
		pb.Identity_RemoveIssuer_FullMethodName: {
			request: fixed(&pb.RemoveIssuerRequest{Issuer: "nobody"}), operation: "Admin", path: "/",
			granted: answer{fault.NotFound, "no issuer"},
		},
		pb.Identity_Issuers_FullMethodName:     {request: fixed(&pb.IssuersRequest{}), operation: "Read", path: "/"},
		pb.Identity_SigningKeys_FullMethodName: {request: fixed(&pb.SigningKeysRequest{}), operation: "Read", path: "/"},
		pb.Identity_RevokeSigningKey_FullMethodName: {
			request: fixed(&pb.RevokeSigningKeyRequest{Id: "none"}), operation: "Admin", path: "/",
			granted: answer{fault.NotFound, "no signing key"},
		},
	}
}

func clusterAccess() map[string]access {
	const observe, administer = "Read", "Admin"
	return map[string]access{
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
	// at is the node, holders are workloads by their paths.
	at      string
	holders map[string]*caller
}

func newCallers(t *testing.T, cluster *servertest.Cluster, node string) *callers {
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
		powerless: withToken("a workload without roles", workload(t, cluster, "/workload/powerless-"+node)),
		operator:  &caller{"an operator", asOperator, nil},
		node:      &caller{"a node", asNode, nil},
		withToken: withToken,
		at:        node,
		holders:   make(map[string]*caller),
	}
}

// TestWhoMayCallWhat goes through every method of the API and every sort of
// caller. What nobody thought of is refused, so a method must be listed above.
func TestWhoMayCallWhat(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		operator := cluster.Dial()
		seed(t, operator, "/account/a", "/account/team/a", "/account/closed")
		if _, err := operator.Ledger.CloseAccount(t.Context(), &pb.CloseAccountRequest{Path: "/account/closed"}); err != nil {
			t.Fatal(err)
		}
		govern(t, cluster)
		cluster.Principal(someone, roleFor("View"))
		cluster.Make("/user/outside/someone", data)
		cluster.Change(servertest.Text(data, "data-info", `{"delegatedAttributes":["/role/may/read"]}`))
		table, methods := accessOf(), methodsIn("acquired.v1")
		for name := range table {
			if methods[name] == nil {
				t.Errorf("%s is listed and is no method", name)
			}
		}
		calls := 0
		for _, node := range []string{leaderOf(t, operator), followerOf(t, cluster, operator)} {
			leads := node == leaderOf(t, operator)
			who := newCallers(t, cluster, node)
			for name, m := range methods {
				a, ok := table[name]
				if !ok {
					t.Errorf("%s is not listed: who may call it?", name)
					continue
				}
				for by, want := range a.answers(t, cluster, who, leads) {
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
func (a *access) answers(t *testing.T, cluster *servertest.Cluster, who *callers, leads bool) map[*caller]answer {
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
	switch {
	case a.operator != served:
		want[who.operator] = a.operator
	case a.open:
		want[who.nobody], want[who.node], want[who.powerless] = granted, granted, granted
		return want
	case a.operation == "":
		want[who.powerless] = granted
		return want
	}
	needed := append([]string{"View", a.operation}, a.also...)
	want[who.holder(t, cluster, needed...)] = granted
	want[who.holder(t, cluster, without(operations, "View")...)] = answer{fault.NotFound, "nothing at " + a.path}
	if a.operation != "View" {
		want[who.holder(t, cluster, without(operations, a.operation)...)] = answer{fault.Denied, "may not " + a.operation + " " + a.path}
	}
	return want
}

func without(all []string, one string) []string {
	return slices.DeleteFunc(slices.Clone(all), func(o string) bool { return o == one })
}

// holder gives a workload that holds the roles of the operations and no others.
func (who *callers) holder(t *testing.T, cluster *servertest.Cluster, operations ...string) *caller {
	t.Helper()
	operations = slices.Compact(slices.Sorted(slices.Values(operations)))
	path := "/workload/at/" + who.at + "/" + strings.ToLower(strings.Join(operations, "-"))
	if found, ok := who.holders[path]; ok {
		return found
	}
	found := who.withToken("a workload that may "+strings.Join(operations, ", "), workload(t, cluster, path, operations...))
	who.holders[path] = found
	return found
}

// TestWhoMayCallPeers: what nodes ask of nodes is for nodes.
func TestWhoMayCallPeers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		operator := cluster.Dial()
		who := newCallers(t, cluster, leaderOf(t, operator))
		forwarding := &caller{"a node for an operator", who.node.conn, forwarded(t, &statev1.Caller{Principal: "/user/x", Operator: true})}
		govern(t, cluster)
		all := who.holder(t, cluster, operations...)
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
// those only. What the caller proved must still count.
func TestNodesSpeakForCallers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		operator := cluster.Dial()
		seed(t, operator, "/account/a")
		govern(t, cluster)
		reader, viewer := proved(t, workload(t, cluster, "/workload/reader", "View", "Read")), proved(t, workload(t, cluster, "/workload/viewer", "View"))
		who := newCallers(t, cluster, leaderOf(t, operator))
		name := pb.Ledger_Balance_FullMethodName
		const gone = "the principal of the credential is gone"
		with := func(of *statev1.Caller, change func(*statev1.Caller)) *statev1.Caller {
			changed := proto.CloneOf(of)
			change(changed)
			return changed
		}
		for _, test := range []struct {
			of   *statev1.Caller
			want answer
		}{
			{&statev1.Caller{Principal: "/user/x", Operator: true, Method: "certificate"}, served},
			{&statev1.Caller{Principal: "/user/x", Operator: true}, answer{fault.Unauthenticated, "proves nothing"}},
			{&statev1.Caller{Principal: "/workload/x", Method: "certificate"}, answer{fault.Unauthenticated, gone}},
			{reader, served},
			{viewer, answer{fault.Denied, "/workload/viewer may not Read"}},
			{with(reader, func(c *statev1.Caller) { c.Born++ }), answer{fault.Unauthenticated, gone}},
			{with(reader, func(c *statev1.Caller) { c.Epoch++ }), answer{fault.Unauthenticated, "revoked"}},
			{with(reader, func(c *statev1.Caller) { c.Key = "another" }), answer{fault.Unauthenticated, "key"}},
			{with(reader, func(c *statev1.Caller) { c.ExpiresUnixNanos = 1 }), answer{fault.Unauthenticated, "expired"}},
			{with(reader, func(c *statev1.Caller) { c.Principal = "/workload/viewer" }), answer{fault.Unauthenticated, gone}},
		} {
			by := &caller{"a node", who.node.conn, forwarded(t, test.of)}
			if err := by.call(t.Context(), name, methodsIn("acquired.v1")[name], &pb.BalanceRequest{Path: "/account/a"}); !test.want.is(err) {
				t.Errorf("for %v: %v, want %v", test.of, err, test.want)
			}
		}
	})
}

// proved gives the caller that a credential is, as a node tells it to another.
func proved(t *testing.T, credential string) *statev1.Caller {
	t.Helper()
	parts := strings.Split(credential, ".")
	var header struct{ Kid string }
	var claims struct {
		Sub, Jti    string
		Iat, Exp    int64
		Born, Epoch uint64
		Amr         []string
	}
	for i, to := range []any{&header, &claims} {
		text, err := base64.RawURLEncoding.DecodeString(parts[i])
		if err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal(text, to); err != nil {
			t.Fatal(err)
		}
	}
	return &statev1.Caller{
		Principal: claims.Sub, Method: claims.Amr[0], IssuedUnixNanos: claims.Iat * 1e9, ExpiresUnixNanos: claims.Exp * 1e9,
		Born: claims.Born, Epoch: claims.Epoch, Session: claims.Jti, Key: header.Kid,
	}
}

// TestHealthIsOpenReflectionIsNot, and there is no other service than those that
// are tested here.
func TestHealthIsOpenReflectionIsNot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		who := newCallers(t, cluster, "node1")
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
	"acquired.state.v1.Peer", "acquired.v1.Acl", "acquired.v1.Batch", "acquired.v1.Cluster", "acquired.v1.Identity", "acquired.v1.Ledger",
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
