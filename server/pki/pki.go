// Package pki makes and checks the certificates of a cluster: who may speak as
// a node, who as an operator or a principal, and which of the protocols on the one TLS
// listener each of them may use.
//
// A cluster has one certificate authority. Every certificate it issues carries
// exactly one identity, as a URI: acquired://CLUSTER/node/ID,
// acquired://CLUSTER/operator/NAME or, for the principal /user/x,
// acquired://CLUSTER/principal/user/x. Certificates of nodes carry DNS names too,
// made from the same words, so that the standard verification of a server
// certificate proves which node answered, whatever its address. All keys are
// Ed25519 and all connections are TLS 1.3.
package pki

import "acquired/proto/fault"

// maxName is the length of the longest DNS label.
const maxName = 63

// ServerName gives the DNS name that the certificates of all nodes of the
// cluster carry. A client that reaches any node expects this name.
func ServerName(cluster string) string {
	return "node." + cluster + ".acquired.internal"
}

// nodeServerName is the DNS name that only the certificate of the one node
// carries.
func nodeServerName(cluster, node string) string {
	return node + "." + ServerName(cluster)
}

// ValidateName checks the id of a cluster or a node or the name of an operator.
// It is a DNS label: 1 to 63 characters of a-z, 0-9 and "-", the first and the
// last of them no "-". Anything else is an Invalid fault, which calls the name
// what.
func ValidateName(what, name string) error {
	if name == "" {
		return fault.Invalid.New("%s is missing", what)
	}
	if len(name) > maxName {
		return fault.Invalid.New("%s is %d bytes long, over the limit of %d", what, len(name), maxName)
	}
	for _, c := range []byte(name) {
		if !isAlphanumeric(c) && c != '-' {
			return fault.Invalid.New("%s %q has other characters than a-z, 0-9 and \"-\"", what, name)
		}
	}
	if !isAlphanumeric(name[0]) || !isAlphanumeric(name[len(name)-1]) {
		return fault.Invalid.New("%s %q does not start and end with one of a-z and 0-9", what, name)
	}
	return nil
}

func isAlphanumeric(c byte) bool {
	return 'a' <= c && c <= 'z' || '0' <= c && c <= '9'
}
