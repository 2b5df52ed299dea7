package fsm_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"

	"acquired/fsm"
	"acquired/fsm/acl"
	"acquired/fsm/command"
	"acquired/fsm/fsmtest"
	"acquired/fsm/identity"
	"acquired/fsm/kv"
	"acquired/fsm/ledger"
	"acquired/fsm/system"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
)

// step is a command of an old log, by the cluster itself.
type step struct {
	name string
	req  proto.Message
}

var ledgerLog = []step{
	{system.Tick.Name, &statev1.TickRequest{}},
	{system.RaiseFormat.Name, &statev1.RaiseFormatRequest{Format: 1}},
	{system.RemoveNode.Name, &pb.RemoveRequest{Id: "node-1"}},
	{system.RemoveNode.Name, &pb.RemoveRequest{Id: "node-2"}},
	{system.AdmitNode.Name, &pb.AdmitRequest{Id: "node-1"}},
	{ledger.CreateAsset.Name, &pb.CreateAssetRequest{Code: "USD", Scale: 2}},
	{ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: "/account/bank", Asset: "USD", Overdraft: ledger.Unlimited}},
	{ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: "/account/a", Asset: "USD", Overdraft: "10", Ceiling: "1000"}},
	{ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: "/account/team/x", Asset: "USD"}},
	{ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: "/account/team", Asset: "USD"}},
	{ledger.Transfer.Name, &pb.TransferRequest{Transfers: []*pb.Transfer{
		{Id: "1", Debit: "/account/bank", Credit: "/account/a", Amount: "12.50"},
		{Id: "2", Debit: "/account/a", Credit: "/account/bank", Amount: "20"},
	}}},
}

var identityLog = []step{
	{acl.Change.Name, &pb.ChangeRequest{Demo: proto.Bool(true), Changes: []*pb.Change{
		create("/user/team/alice"), create("/user/team/bob"), create("/workload/x"), create("/role/a"), create("/role/b"), create("/data/drive"),
	}}},
	{acl.Change.Name, &pb.ChangeRequest{Changes: []*pb.Change{
		annotate("/", &pb.Annotation{Tag: "clause", Content: &pb.Annotation_Clause{Clause: &pb.Clause{Operation: "View"}}}),
		annotate("/data", &pb.Annotation{Tag: "clause", EndUnixNanos: 1000, Content: &pb.Annotation_Clause{Clause: &pb.Clause{
			Operation: "Read", Local: true, EndWidens: true, Sets: []*pb.RoleSet{
				{Roles: []*pb.RoleName{{Path: "/role/a"}, {Path: "/role/b"}}}, {},
			},
		}}}),
		annotate("/user/team", fsmtest.AppliedRole("/role/a")),
		annotate("/user/team/alice", fsmtest.AppliedRole("/role/b")),
		annotate("/user/team/alice", &pb.Annotation{Tag: "ssh-pubkey", StartUnixNanos: 5, Content: &pb.Annotation_Text{Text: "ssh-ed25519 AAAA"}}),
		annotate("/data/drive", &pb.Annotation{Tag: "note", Unique: 7, Content: &pb.Annotation_Text{Text: "mine"}}),
		annotate("/data/drive", &pb.Annotation{Tag: "note", Content: &pb.Annotation_Text{Text: "yours"}}),
	}}},
	{acl.Change.Name, &pb.ChangeRequest{Changes: []*pb.Change{
		{Change: &pb.Change_Unannotate{Unannotate: &pb.Unannotate{Path: "/data/drive", Tag: "note", Unique: 7}}},
		{Change: &pb.Change_Move{Move: &pb.MoveNode{Path: "/user/team", Name: "crew"}}},
		{Change: &pb.Change_Remove{Remove: &pb.RemoveNode{Path: "/user/crew/bob"}}},
	}}},
	{identity.PutRootKey.Name, &statev1.PutRootKeyRequest{Id: "root", KeyEncryptionKey: "outside", Wrapped: []byte{1, 2}}},
	{identity.PutSigningKey.Name, &statev1.PutSigningKeyRequest{
		Id: "key-1", Public: []byte{3}, Sealed: []byte{4}, RootKey: "root", ActiveUnixNanos: 10, ExpiresUnixNanos: 1000,
	}},
	{identity.PutSigningKey.Name, &statev1.PutSigningKeyRequest{Id: "key-2", RootKey: "root", ActiveUnixNanos: 20, ExpiresUnixNanos: 2000}},
	{identity.RevokeSigningKey.Name, &pb.RevokeSigningKeyRequest{Id: "key-1"}},
	{identity.Revoke.Name, &pb.RevokeRequest{Principal: "/user/crew/alice"}},
	{identity.Revoke.Name, &pb.RevokeRequest{Principal: "/workload/x", Session: "0123456789abcdef0123456789abcdef"}},
	{identity.RecordIssuer.Name, &statev1.RecordIssuerRequest{Keys: []byte("sealed"), RootKey: "root", Issuer: &pb.Issuer{
		Issuer: "https://ci", Audience: "acquired", Algorithm: "HS256", Subject: "/workload/{sub}",
		Scopes: []*pb.ScopeRoles{{Scope: "deploy", Roles: []string{"/role/a", "/role/b"}}, {Scope: "none"}},
	}}},
	{identity.RecordIssuer.Name, &statev1.RecordIssuerRequest{Keys: []byte("{}"), Issuer: &pb.Issuer{
		Issuer: "gone", Audience: "acquired", Algorithm: "EdDSA", Subject: "/user/{sub}",
	}}},
	{identity.RemoveIssuer.Name, &pb.RemoveIssuerRequest{Issuer: "gone"}},
}

func create(path string) *pb.Change {
	return &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: path, Parents: true}}}
}

func annotate(path string, a *pb.Annotation) *pb.Change {
	return &pb.Change{Change: &pb.Change_Annotate{Annotate: &pb.Annotate{Path: path, Annotation: a}}}
}

// TestAnOldLogGivesItsOldState: what a command does, and the bytes of the
// records it makes, are a promise to the logs and the states that are out there.
// New behaviour is a new command; new fields of a record are appended to it, and
// are not written while they are zero.
func TestAnOldLogGivesItsOldState(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, want string
		log        []step
	}{
		{"ledger", "fa30c34fa5311f0ce031cd077a4d448e895348571f49c2e4dcce595d66f9a1ae", ledgerLog},
		{"identity", "dc34cfe2e3b6ea8890e5f9837c6b0382042034db64089c42e4f2dd489f9ac154", identityLog},
	} {
		machine := fsm.New(kv.NewMemory())
		for i, step := range test.log {
			body, err := proto.Marshal(step.req)
			if err != nil {
				t.Fatal(err)
			}
			caller := &statev1.Caller{Principal: string(command.System)}
			apply(t, machine, uint64(i+1), int64(i), &statev1.Command{Name: step.name, Caller: caller, Body: body})
		}
		if got := machine.Position().Hash.String(); got != test.want {
			t.Errorf("the log of %s makes a state with the hash %s, it was %s", test.name, got, test.want)
		}
	}
}

// TestEveryCommandIsInAnOldLog: what is not can change without a word.
func TestEveryCommandIsInAnOldLog(t *testing.T) {
	t.Parallel()
	logged := make(map[string]bool)
	for _, step := range slices.Concat(ledgerLog, identityLog) {
		logged[step.name] = true
	}
	for _, set := range []*command.Set{&system.Commands, &identity.Commands, &acl.Commands, &ledger.Commands} {
		for _, c := range set.Commands {
			if !logged[c.Name] {
				t.Errorf("%s is in none of the logs: add it to one", c.Name)
			}
		}
	}
}
