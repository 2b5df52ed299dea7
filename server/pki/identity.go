package pki

import (
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"strings"

	"acquired/fsm/identity"
)

// Role is what the holder of a certificate is in its cluster.
type Role string

const (
	// RoleNode is a member of the cluster, which serves and is trusted by others.
	RoleNode Role = "node"
	// RoleOperator is a person or program that administers the cluster.
	RoleOperator Role = "operator"
	// RolePrincipal is a user or workload of the access tree.
	RolePrincipal Role = "principal"
)

// scheme is that of the URI which holds an identity.
const scheme = "acquired"

// Identity is who a certificate says its holder is.
type Identity struct {
	Cluster string
	Role    Role
	// Name is the id of a node, the name of an operator, or the path of a
	// principal.
	Name string
}

// IdentityOf reads the identity in a certificate. It does not verify who signed
// the certificate. A certificate with no URI, with several, or with one that
// deviates in anything from the form which this package issues is an error.
func IdentityOf(certificate *x509.Certificate) (Identity, error) {
	if len(certificate.URIs) != 1 {
		return Identity{}, fmt.Errorf("certificate has %d URI names, not the one that is its identity", len(certificate.URIs))
	}
	rest, ok := strings.CutPrefix(certificate.URIs[0].String(), scheme+"://")
	if !ok {
		return Identity{}, fmt.Errorf("certificate has a URI name of the scheme %q, not %q", certificate.URIs[0].Scheme, scheme)
	}
	parts := strings.SplitN(rest, "/", 3)
	if len(parts) != 3 {
		return Identity{}, errors.New("certificate has an identity that is not acquired://CLUSTER/ROLE/NAME")
	}
	found := Identity{Cluster: parts[0], Role: Role(parts[1]), Name: parts[2]}
	if found.Role == RolePrincipal {
		found.Name = "/" + found.Name
	}
	if err := found.validate(); err != nil {
		return Identity{}, fmt.Errorf("identity in certificate: %w", err)
	}
	return found, nil
}

func (i Identity) validate() error {
	if i.Role != RoleNode && i.Role != RoleOperator && i.Role != RolePrincipal {
		return fmt.Errorf("role %q is not %q, %q or %q", i.Role, RoleNode, RoleOperator, RolePrincipal)
	}
	if err := ValidateName("cluster id", i.Cluster); err != nil {
		return err
	}
	if i.Role == RolePrincipal {
		return validatePrincipal(i.Name)
	}
	return ValidateName(i.what(), i.Name)
}

func validatePrincipal(name string) error {
	p, err := identity.ParsePrincipal(name)
	if err != nil {
		return err
	}
	if string(p) != name {
		return fmt.Errorf("principal %q is not written as %s", name, p)
	}
	return nil
}

// what names the Name of the identity for people.
func (i Identity) what() string {
	if i.Role == RoleNode {
		return "node id"
	}
	return "operator name"
}

func (i Identity) uri() *url.URL {
	return &url.URL{Scheme: scheme, Host: i.Cluster, Path: "/" + string(i.Role) + "/" + strings.TrimPrefix(i.Name, "/")}
}
