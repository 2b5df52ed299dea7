package server_test

import (
	"slices"
	"testing"
	"testing/synctest"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/servertest"
)

func tokenShown(t *testing.T, cluster *servertest.Cluster, token string) *pb.InspectResponse {
	t.Helper()
	res, err := cluster.Operator().Identity.Inspect(client.WithRead(t.Context(), client.Latest), &pb.InspectRequest{Token: token})
	if err != nil {
		t.Fatal(err)
	}
	return res
}

// dataTree has paths that delegate roles, and such that name a provider.
func dataTree(t *testing.T, cluster *servertest.Cluster) {
	t.Helper()
	govern(t, cluster)
	cluster.Make("/role/held", "/role/other", "/data/roles", "/data/far/near/none", "/data/far/none", "/data/bare")
	const none = `{"delegatedAttributes":[]}`
	cluster.Change(
		servertest.Text("/data/roles", "data-info", `{"delegatedAttributes":["/role/other","/role/held"]}`),
		servertest.Text("/data/far/near/none", "data-info", none),
		servertest.Text("/data/far/none", "data-info", none),
		servertest.Text("/data", "data-credential-provider", "of all data"),
		servertest.Text("/data/far", "data-credential-provider", "far"),
		servertest.Text("/data/far/near", "data-credential-provider", "near"),
	)
}

// TestDelegate: a data service is told of the roles that the path names and the
// caller holds, or of the nearest provider of credentials.
func TestDelegate(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		dataTree(t, cluster)
		token := workload(t, cluster, "/workload/w", "View", "Read")
		cluster.Change(servertest.Apply("/workload/w", "/role/held"))
		for _, id := range cluster.IDs() {
			w := cluster.DialConfig(cluster.Bearer(token, id))
			delegate := func(path string, operations ...string) (*pb.DelegateResponse, error) {
				return w.Identity.Delegate(t.Context(), &pb.DelegateRequest{Path: path, Operations: operations, LifetimeSeconds: 60})
			}
			res, err := delegate("/data/roles", "View", "Read")
			if err != nil {
				t.Fatal(err)
			}
			if want := []string{"/role/held"}; !slices.Equal(res.Roles, want) || res.Provider != "" {
				t.Errorf("%s delegates %v, want the roles %v", id, res, want)
			}
			shown := tokenShown(t, cluster, res.Token)
			if !shown.Valid || !shown.Delegated || shown.Subject != "/workload/w" || shown.Path != "/data/roles" || !slices.Equal(shown.Roles, res.Roles) {
				t.Errorf("what %s delegated is %v", id, shown)
			}
			for path, want := range map[string]string{"/data/far/near/none": "near", "/data/far/none": "far"} {
				if res, err := delegate(path); err != nil || res.Provider != want || res.Token != "" {
					t.Errorf("%s says of %s: %v, %v, want the provider %q", id, path, res, err, want)
				}
			}
			for _, bad := range []struct {
				path       string
				operations []string
				want       answer
			}{
				{"/data/roles", []string{"Read", "Write"}, answer{fault.Denied, "may not Write /data/roles"}},
				{"/data/bare", nil, answer{fault.Conflict, "no annotation data-info"}},
				{"/data/nothing", nil, answer{fault.NotFound, "/data/nothing"}},
				{"/data", nil, answer{fault.Invalid, "below /data"}},
				{"/user/x", nil, answer{fault.Invalid, "below /data"}},
				{"/data/roles", []string{"Rob"}, answer{fault.Invalid, "Rob"}},
			} {
				if _, err := delegate(bad.path, bad.operations...); !bad.want.is(err) {
					t.Errorf("%s delegates %v at %s: %v, want %v", id, bad.operations, bad.path, err, bad.want)
				}
			}
		}
	})
}

// TestDelegatedEnds with the credential that it was given for, and with all who
// vouched for that.
func TestDelegatedEnds(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		cluster := servertest.Start(t, servertest.Options{})
		dataTree(t, cluster)
		for _, test := range []struct {
			name string
			end  func(credential *pb.Credential, voucher string)
		}{
			{"session", func(credential *pb.Credential, _ string) {
				revoke(t, cluster, &pb.RevokeRequest{Principal: credential.Subject, Session: credential.Session})
			}},
			{"principal", func(credential *pb.Credential, _ string) {
				revoke(t, cluster, &pb.RevokeRequest{Principal: credential.Subject})
			}},
			{"voucher", func(_ *pb.Credential, voucher string) { revoke(t, cluster, &pb.RevokeRequest{Principal: voucher}) }},
		} {
			voucher, subject := "/workload/"+test.name+"/voucher", "/workload/"+test.name+"/subject"
			workload(t, cluster, subject, "View", "Read")
			credential, err := exchange(t, cluster, "node1", workload(t, cluster, voucher, "View", "VouchFor"), subject, 0)
			if err != nil {
				t.Fatal(err)
			}
			res, err := cluster.DialConfig(cluster.Bearer(credential.Token)).Identity.Delegate(t.Context(), &pb.DelegateRequest{Path: "/data/roles"})
			if err != nil || res.ExpiresUnix > credential.ExpiresUnix {
				t.Fatalf("%s: %v, %v; the credential ends at %d", test.name, res, err, credential.ExpiresUnix)
			}
			if shown := tokenShown(t, cluster, res.Token); !shown.Valid {
				t.Errorf("%s: what was delegated is %v before anything was revoked", test.name, shown)
			}
			test.end(credential, voucher)
			if shown := tokenShown(t, cluster, res.Token); shown.Valid || len(shown.Roles) > 0 {
				t.Errorf("the %s was revoked, and what was delegated is %v", test.name, shown)
			}
		}
	})
}

func revoke(t *testing.T, cluster *servertest.Cluster, req *pb.RevokeRequest) {
	t.Helper()
	if _, err := cluster.Operator().Identity.Revoke(t.Context(), req); err != nil {
		t.Fatal(err)
	}
}
