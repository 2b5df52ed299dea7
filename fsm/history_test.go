package fsm_test

import (
	"slices"
	"testing"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

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

// step is a command of an old log.
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
	{ledger.ChangeAccount.Name, &pb.ChangeAccountRequest{
		Path: "/account/a", Overdraft: proto.String("100"), Ceiling: proto.String(""), HoldOverdraft: proto.Bool(true),
		Owner: proto.String("/user/alice"), Metadata: []*pb.Metadatum{{Key: "cost-centre", Value: "7"}, {Key: "grant", Value: "x"}},
	}},
	{ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: "/account/brief", Asset: "USD", Kind: "ephemeral"}},
	{ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: "/account/through", Asset: "USD", Kind: "transient"}},
	{ledger.Transfer.Name, &pb.TransferRequest{Chains: true, Transfers: []*pb.Transfer{
		{Id: "3", Debit: "/account/bank", Credit: "/account/brief", Amount: "5", Linked: true, EffectiveUnixNanos: 3, Description: "back-dated"},
		{Id: "4", Debit: "/account/brief", Credit: "/account/team", Amount: "6", UpTo: true},
		{Id: "5", Debit: "/account/team", Credit: "/account/a", Amount: "1000"},
		{Id: "6", Debit: "/account/team", ThenDebit: []string{"/account/bank"}, Amount: "10", Shares: []*pb.Share{
			{Credit: "/account/a", Amount: "1"}, {Credit: "/account/through", Weight: 1}, {Credit: "/account/team/x", Weight: 2},
		}, Linked: true},
		{Id: "7", Debit: "/account/through", Credit: "/account/team", Amount: "3"},
	}}},
	{acl.Change.Name, &pb.ChangeRequest{Changes: []*pb.Change{create("/workload/meter")}}},
	{ledger.Op.Name, &pb.OpRequest{Steps: []*pb.Step{
		{Step: &pb.Step_Guard{Guard: &pb.Guard{Guard: &pb.Guard_NotAfterUnixNanos{NotAfterUnixNanos: 1000}}}},
		{Step: &pb.Step_Transfer{Transfer: &pb.Transfer{Id: "8", Debit: "/account/bank", Credit: "/account/team", Amount: "50"}}},
		{Step: &pb.Step_Hold{Hold: &pb.PlaceHold{
			Id: "h1", Debit: "/account/team", Credit: "/account/a", Amount: "30", ExpiresUnixNanos: 500, Delegate: "/workload/meter", Description: "job 1",
		}}},
		{Step: &pb.Step_Hold{Hold: &pb.PlaceHold{Id: "h2", Debit: "/account/a", Credit: "/account/team", Amount: "20", ExpiresUnixNanos: 17}}},
		{Step: &pb.Step_Extend{Extend: &pb.ExtendHold{Id: "9", Hold: "h1", Amount: "5", ExpiresUnixNanos: 600}}},
		{Step: &pb.Step_Capture{Capture: &pb.CaptureHold{Id: "10", Hold: "h1", Amount: "12", Shares: []*pb.Share{
			{Credit: "/account/a", Weight: 2}, {Credit: "/account/team/x", Weight: 1},
		}}}},
		{Step: &pb.Step_Release{Release: &pb.ReleaseHold{Id: "11", Hold: "h1", Amount: "3"}}},
		{Step: &pb.Step_Capture{Capture: &pb.CaptureHold{Id: "12", Hold: "h1", Amount: "1", Final: true, EffectiveUnixNanos: 4, Description: "the rest"}}},
	}}},
	{system.Tick.Name, &statev1.TickRequest{}},
	{ledger.ChangeAccount.Name, &pb.ChangeAccountRequest{Path: "/account/through", Frozen: proto.Bool(true), IfVersion: 2}},
	{ledger.CloseAccount.Name, &pb.CloseAccountRequest{Path: "/account/through"}},
	{ledger.ClosePeriod.Name, &pb.ClosePeriodRequest{UntilUnixNanos: 10, Name: "the first"}},
	{ledger.PutDocumentKey.Name, &statev1.PutDocumentKeyRequest{Verifier: "cluster+12345678+AAAA", Sealed: []byte{5, 6}, RootKey: "root"}},
	{ledger.RotateDocumentKey.Name, &pb.RotateDocumentKeyRequest{}},
	{ledger.PutDocumentKey.Name, &statev1.PutDocumentKeyRequest{Verifier: "cluster+87654321+BBBB", Sealed: []byte{7}, RootKey: "root"}},
}

// documentLog is by an operator, /user/bob: cheques are cashed by who is named.
var documentLog = []step{
	{acl.Change.Name, &pb.ChangeRequest{Changes: []*pb.Change{create("/workload/meter"), create("/workload/x"), create("/user/bob")}}},
	{ledger.CreateAsset.Name, &pb.CreateAssetRequest{Code: "USD", Scale: 2}},
	{ledger.CreateAsset.Name, &pb.CreateAssetRequest{Code: "HOUR", Scale: 3}},
	{ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: "/account/bank", Asset: "USD", Overdraft: ledger.Unlimited, DailyLimit: "5000"}},
	{ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: "/account/shop", Asset: "USD", Metadata: []*pb.Metadatum{{Key: "name", Value: "shop"}}}},
	{ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: "/account/hours/broker", Asset: "HOUR", Overdraft: ledger.Unlimited}},
	{ledger.OpenAccount.Name, &pb.OpenAccountRequest{Path: "/account/hours/team", Asset: "HOUR"}},
	{ledger.Op.Name, &pb.OpRequest{Steps: []*pb.Step{
		{Step: &pb.Step_Transfer{Transfer: &pb.Transfer{Id: "funds", Debit: "/account/bank", Credit: "/account/shop", Amount: "100"}}},
		{Step: &pb.Step_Hold{Hold: &pb.PlaceHold{Id: "hold", Debit: "/account/shop", Credit: "/account/bank", Amount: "30", Delegate: "/workload/meter"}}},
		{Step: &pb.Step_Capture{Capture: &pb.CaptureHold{Id: "capture", Hold: "hold", Amount: "7"}}},
		{Step: &pb.Step_IssueReceipt{IssueReceipt: &pb.IssueReceipt{Id: "receipt", Hold: "hold"}}},
		{Step: &pb.Step_Refund{Refund: &pb.Refund{Id: "refund", Of: "capture", Amount: "2.50", Description: "too \"much\"", EffectiveUnixNanos: 1}}},
		{Step: &pb.Step_Exchange{Exchange: &pb.Exchange{
			Id: "exchange", Debit: "/account/shop", BrokerCredit: "/account/bank", BrokerDebit: "/account/hours/broker", Credit: "/account/hours/team",
			Amount: "10", RateNumerator: 3, RateDenominator: 7, Description: "for the night",
		}}},
		{Step: &pb.Step_WriteCheque{WriteCheque: &pb.WriteCheque{
			Id: "cheque", Account: "/account/shop", Recipient: "/user/bob", Resource: "job 1", Ceiling: "20", Uses: 3, ExpiresUnixNanos: 100, Description: "ünï",
		}}},
		{Step: &pb.Step_WriteCheque{WriteCheque: &pb.WriteCheque{Id: "cheque2", Account: "/account/bank", Recipient: "/workload/x", Resource: "job 2", Ceiling: "1"}}},
		{Step: &pb.Step_CancelCheque{CancelCheque: &pb.CancelCheque{Id: "cancel", Cheque: "cheque2"}}},
		{Step: &pb.Step_IssueInvoice{IssueInvoice: &pb.IssueInvoice{
			Id: "invoice", Receivable: "/account/bank", Revenue: "/account/shop", Payer: "/user/alice", DueUnixNanos: 50, Description: "October",
			Lines: []*pb.InvoiceLine{{Description: "storage", Amount: "8.50"}, {Description: "compute", Amount: "31"}},
		}}},
		{Step: &pb.Step_CreditInvoice{CreditInvoice: &pb.CreditInvoice{Id: "credit", Invoice: "invoice", Amount: "0.50", Description: "goodwill"}}},
		{Step: &pb.Step_IssueInvoice{IssueInvoice: &pb.IssueInvoice{
			Id: "invoice2", Receivable: "/account/bank", Revenue: "/account/shop", Lines: []*pb.InvoiceLine{{Description: "nothing", Amount: "1"}},
		}}},
		{Step: &pb.Step_VoidInvoice{VoidInvoice: &pb.VoidInvoice{Id: "void", Invoice: "invoice2", Description: "by mistake"}}},
	}}},
	{ledger.Op.Name, &pb.OpRequest{Steps: []*pb.Step{
		{Step: &pb.Step_Guard{Guard: &pb.Guard{Guard: &pb.Guard_Document{Document: &pb.DocumentGuard{Document: "cheque", State: "open"}}}}},
		{Step: &pb.Step_CashCheque{CashCheque: &pb.CashCheque{
			Id: "cash", Cheque: "cheque", Hash: "01dc0f2da8b9fcd1faf98caa19606dd2e01011dc38f77f936915188819962e89", Resource: "job 1", Amount: "5", Credit: "/account/bank",
		}}},
		{Step: &pb.Step_CashCheque{CashCheque: &pb.CashCheque{
			Id: "cash-hold", Cheque: "cheque", Hash: "01dc0f2da8b9fcd1faf98caa19606dd2e01011dc38f77f936915188819962e89", Resource: "job 1", Amount: "6", Credit: "/account/bank", Hold: true,
		}}},
	}}},
	{ledger.Op.Name, &pb.OpRequest{Steps: []*pb.Step{
		{Step: &pb.Step_Transfer{Transfer: &pb.Transfer{Id: "more", Debit: "/account/bank", Credit: "/account/shop", Amount: "100"}}},
		{Step: &pb.Step_PayInvoice{PayInvoice: &pb.PayInvoice{
			Id: "pay", Invoice: "invoice", Hash: "7b550dddd6d5cafe2c4b80d845268002428a8275b0730096e46f48594ede2987", Debit: "/account/shop", Amount: "20", Description: "a part",
		}}},
	}}},
	{ledger.ChangeAccount.Name, &pb.ChangeAccountRequest{Path: "/account/shop", DailyLimit: proto.String("400")}},
	{ledger.Transfer.Name, &pb.TransferRequest{Transfers: []*pb.Transfer{{Id: "last", Debit: "/account/shop", Credit: "/account/bank", Amount: "1"}}}},
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
		caller     command.Caller
		log        []step
	}{
		{"ledger", "ccced8eb3ede9754e1651ecf764ae02fe42c2bcb807be1ae8b42f71fbae4a117", command.Caller{Principal: command.System}, ledgerLog},
		{"documents", "f58cf81623174677e16e3351f799071c38d7cb1443845d1a3db285b3413cec85", command.Caller{Principal: "/user/bob", Operator: true, Method: command.ByCertificate}, documentLog},
		{"identity", "d782a6c60f052d6a7e1eb94fa432a214b12c226f11cb4c383ed0272a38d3754b", command.Caller{Principal: command.System}, identityLog},
	} {
		machine := fsm.New(kv.NewMemory())
		for i, step := range test.log {
			body, err := proto.Marshal(step.req)
			if err != nil {
				t.Fatal(err)
			}
			apply(t, machine, uint64(i+1), int64(i), &statev1.Command{
				Name: step.name, Caller: fsm.EncodeCaller(&test.caller), Body: body,
			})
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
	for _, step := range slices.Concat(ledgerLog, documentLog, identityLog) {
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

// TestEveryStepIsInAnOldLog: of ops it is the steps that make records.
func TestEveryStepIsInAnOldLog(t *testing.T) {
	t.Parallel()
	logged := make(map[protoreflect.Name]bool)
	for _, step := range slices.Concat(ledgerLog, documentLog) {
		op, ok := step.req.(*pb.OpRequest)
		if !ok {
			continue
		}
		for _, s := range op.Steps {
			m := s.ProtoReflect()
			logged[m.WhichOneof(m.Descriptor().Oneofs().Get(0)).Name()] = true
		}
	}
	kinds := (&pb.Step{}).ProtoReflect().Descriptor().Oneofs().Get(0).Fields()
	for i := range kinds.Len() {
		if kind := kinds.Get(i).Name(); !logged[kind] {
			t.Errorf("a step %s is in none of the logs: add it to one", kind)
		}
	}
}
