package pki

import (
	"crypto/x509"
	"errors"
	"net/url"
	"strings"
	"testing"
	"time"

	"acquired/proto/fault"
)

func TestIssuePrincipal(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t, "demo", founding)
	for _, path := range []string{"/user/alice", "/workload/hpe/bu1/scheduler", "/user/a.b_c-d@e"} {
		pair, err := authority.IssuePrincipal(path, founding)
		if err != nil {
			t.Errorf("issue %s: %v", path, err)
			continue
		}
		certificate := parse(t, pair.CertificatePEM)
		got, err := IdentityOf(certificate)
		if want := (Identity{Cluster: "demo", Role: RolePrincipal, Name: path}); err != nil || got != want {
			t.Errorf("identity of %s: got %v (%v), want %v", path, got, err, want)
		}
		if usage := certificate.ExtKeyUsage; len(usage) != 1 || usage[0] != x509.ExtKeyUsageClientAuth || len(certificate.DNSNames) != 0 {
			t.Errorf("certificate of %s: got usage %v and names %v, want that of a client without a name", path, usage, certificate.DNSNames)
		}
		checkValidity(t, certificate, founding.Add(-time.Minute), founding.AddDate(1, 0, 0))
	}
	for _, path := range []string{
		"", "/", "/user", "/workload", "/role/x", "/system", "user/alice", "alice", "/user/alice/", "/user//alice", "/user/../role/x",
		"am://user/alice", "/user/a b", "/user/a\x00", "/user/" + strings.Repeat("x", 65), "/user" + strings.Repeat("/x", 32),
	} {
		if _, err := authority.IssuePrincipal(path, founding); err == nil {
			t.Errorf("issue %q: got a certificate, want an error", path)
		}
	}
	if _, err := authority.IssuePrincipal("/role/x", founding); !errors.Is(err, fault.Invalid) {
		t.Errorf("issue for a role: got %v, want an invalid fault", err)
	}
}

// TestPrincipalIsNoOperator: the path of a principal never reads as another role,
// nor a name of another role as a path.
func TestPrincipalIsNoOperator(t *testing.T) {
	t.Parallel()
	for uri, ok := range map[string]bool{
		"acquired://demo/principal/user/alice":        true,
		"acquired://demo/principal//user/alice":       false,
		"acquired://demo/principal/user":              false,
		"acquired://demo/principal/user/../operator":  false,
		"acquired://demo/principal/user/%2e%2e/alice": false,
		"acquired://demo/principal/user%2Falice":      false,
		"acquired://demo/principal/role/x":            false,
		"acquired://demo/principal/":                  false,
		"acquired://demo/principal":                   false,
		"acquired://demo/principal/user/alice/":       false,
		"acquired://demo/principal/user/alice?x":      false,
		"acquired://demo/operator/user/alice":         false,
		"acquired://demo/node/user/alice":             false,
	} {
		parsed, err := url.Parse(uri)
		if err != nil {
			t.Fatal(err)
		}
		got, err := IdentityOf(&x509.Certificate{URIs: []*url.URL{parsed}})
		if (err == nil) != ok {
			t.Errorf("%s: got %v (%v), want an identity: %t", uri, got, err, ok)
		}
	}
}

// TestIssuedAt: a certificate that was made after a revocation must not be taken
// for an older one for long, and one made before it never for a younger one.
func TestIssuedAt(t *testing.T) {
	t.Parallel()
	authority := newAuthority(t, "demo", founding)
	for _, at := range []time.Time{founding, founding.Add(time.Hour), founding.AddDate(2, 0, 0)} {
		pair, err := authority.IssuePrincipal("/user/alice", at)
		if err != nil {
			t.Fatal(err)
		}
		if got := IssuedAt(parse(t, pair.CertificatePEM)); !got.Equal(at.Add(-time.Minute)) {
			t.Errorf("issued at %s, want a minute before %s", got, at)
		}
	}
}
