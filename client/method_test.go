package client

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"acquired/proto/fault"
)

func TestMethodOf(t *testing.T) {
	tests := []method{
		{name: "/acquired.v1.Ledger/CreateAsset", command: "ledger.create_asset"},
		{name: "/acquired.v1.Ledger/Transfer", command: "ledger.transfer"},
		{name: "/acquired.v1.Ledger/Balance", read: true},
		{name: "/acquired.v1.Acl/Change", command: "acl.change"},
		{name: "/acquired.v1.Acl/CheckMany", read: true},
		{name: "/acquired.v1.Identity/Vouch", read: true},
		{name: "/acquired.v1.Identity/RevokeSigningKey", command: "identity.revoke_signing_key"},
		{name: "/acquired.v1.Identity/PutIssuer"},
		{name: "/acquired.v1.Ledger/RotateDocumentKey"},
		{name: "/acquired.v1.Cluster/Status", read: true},
		{name: "/acquired.v1.Cluster/SaveSnapshot", read: true},
		{name: "/acquired.v1.Cluster/Remove", unhurried: true},
		{name: "/acquired.v1.Batch/Execute"},
	}
	for _, want := range tests {
		for range 2 { // looked up, then remembered
			got, err := methodOf(want.name)
			if err != nil {
				t.Errorf("%s: %v", want.name, err)
			}
			if diff := cmp.Diff(want, got, cmp.AllowUnexported(method{})); diff != "" {
				t.Errorf("%s (-want +got):\n%s", want.name, diff)
			}
		}
	}
}

func TestMethodOfRefuses(t *testing.T) {
	for _, name := range []string{
		"", "/", "/acquired.v1.Ledger", "/acquired.v1.Ledger/Nothing", "/acquired.v1.Ledger/Transfer/",
		"/google.protobuf.FileDescriptorProto/name", "/acquired.v1.TransferRequest/transfers",
	} {
		if m, err := methodOf(name); fault.KindOf(err) != fault.Invalid {
			t.Errorf("method %q is %+v, error %v; want an invalid fault", name, m, err)
		}
	}
}
