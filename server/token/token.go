// Package token signs and verifies the credentials of a cluster and verifies the
// tokens of the identity providers that it trusts. Both are JSON Web Tokens.
//
// A credential says who its bearer is and how that was proved, never what the
// bearer may do: rights come from the state, on every use. It is signed with
// Ed25519 by one of the keys that the state holds, and a cluster accepts its
// own only. What it would not sign it does not accept: no other algorithm,
// header or claim, and no other spelling.
//
// A token of an outside issuer is verified by one algorithm and by the keys on
// record for that issuer. Claims unknown here are ignored in it.
package token

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The limits of a token.
const (
	// MaxBytes is the length of the longest token, encoded, whoever signed it.
	MaxBytes = 16 << 10
	// MaxActors is how many may stand behind the bearer of a credential.
	MaxActors = 4
	// MaxRoles is how many roles a delegated credential shows.
	MaxRoles = 64
	// MinLifetime and MaxLifetime bound the time from issue to expiry of a
	// credential.
	MinLifetime = time.Second
	MaxLifetime = 12 * time.Hour
)

const (
	// idDigits is the length of the id of a credential: 128 bits in hexadecimal.
	idDigits = 32
	// maxMethod is the length of the longest method, in bytes.
	maxMethod = 32
	// maxUnix is the last second of the year 9999.
	maxUnix = 253402300799
)

// Claims are what a credential says.
type Claims struct {
	// ID is that of the session: 32 hexadecimal digits, different for every
	// credential. NewID makes one.
	ID string
	// KeyID is that of the key that signed. For Sign, empty means the key given.
	KeyID string
	// Delegated says that the credential shows the roles of its subject to a
	// service that keeps data. It is nobody's identity, and who asks for an
	// identity must refuse it.
	Delegated bool
	// Subject is the path of the principal. It is never empty.
	Subject string
	// Audience is the one cluster that signed the credential and that accepts
	// it: "acquired:" and the cluster id. For Sign, empty means the cluster given.
	Audience string
	// IssuedAt and ExpiresAt are whole seconds; Verify gives them in UTC. From
	// ExpiresAt on the credential is no longer valid.
	IssuedAt  time.Time
	ExpiresAt time.Time
	// Born tells the subject from others that had or will have its path.
	Born uint64
	// Epoch is that of the sessions of the subject: a later one ends them all.
	Epoch uint64
	// Method is how the bearer proved to be the subject, such as "ssh" or
	// "vouch": 1 to 32 bytes of a-z, 0-9 and "-".
	Method string
	// Actors are those who vouched for the bearer, the newest first; at most
	// MaxActors, and nil is none.
	Actors []Actor
	// Roles are what a delegated credential shows, at most MaxRoles; nil is none.
	Roles []string
	// Node is the path of the data that a delegated credential is for. Only
	// those have one, and all of them do.
	Node string
}

// Actor is a principal that vouched for the bearer of a credential.
type Actor struct {
	// Subject is the path of the principal. It is never empty.
	Subject string
	// Born and Epoch are as in Claims.
	Born, Epoch uint64
	// Session is the id of the credential that the actor showed. It is empty if
	// that was a certificate.
	Session string
	// KeyID is that of the key that signed that credential. It is empty if that was
	// a certificate.
	KeyID string
}

// NewID gives the id of a new session.
func NewID() string {
	var id [idDigits / 2]byte
	rand.Read(id[:])
	return hex.EncodeToString(id[:])
}

// Audience gives the issuer and the audience of all credentials of a cluster.
func Audience(cluster string) string { return "acquired:" + cluster }

// LogValue gives what identifies the credential and lets nobody use it.
func (c Claims) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("id", c.ID),
		slog.String("key", c.KeyID),
		slog.Bool("delegated", c.Delegated),
		slog.String("subject", c.Subject),
		slog.String("method", c.Method),
		slog.Int("actors", len(c.Actors)),
		slog.Time("expires", c.ExpiresAt),
	)
}

// clone copies what the claims share with others.
func (c Claims) clone() Claims {
	c.Actors = slices.Clone(c.Actors)
	c.Roles = slices.Clone(c.Roles)
	return c
}

// problem gives the first rule that the claims break, or nothing. It is the
// same for those to be signed and for those that were.
func (c Claims) problem() string {
	switch {
	case !isID(c.ID):
		return fmt.Sprintf("id is not %d hexadecimal digits in lower case", idDigits)
	case !isText(c.Subject):
		return "subject is empty or not UTF-8"
	case !isMethod(c.Method):
		return fmt.Sprintf("method is not 1 to %d bytes of a-z, 0-9 and -", maxMethod)
	}
	if problem := c.timeProblem(); problem != "" {
		return problem
	}
	if problem := actorProblem(c.Actors); problem != "" {
		return problem
	}
	return c.delegationProblem()
}

func (c Claims) timeProblem() string {
	issued, expires := c.IssuedAt, c.ExpiresAt
	if issued.Nanosecond() != 0 || expires.Nanosecond() != 0 || issued.Unix() <= 0 || expires.Unix() > maxUnix {
		return "times are not whole seconds after 1970 and before the year 10000"
	}
	if lifetime := expires.Sub(issued); lifetime < MinLifetime || lifetime > MaxLifetime {
		return fmt.Sprintf("lifetime is not between %s and %s", MinLifetime, MaxLifetime)
	}
	return ""
}

func actorProblem(actors []Actor) string {
	if len(actors) > MaxActors {
		return fmt.Sprintf("has more actors than the limit of %d", MaxActors)
	}
	for n, actor := range actors {
		if !isText(actor.Subject) {
			return fmt.Sprintf("subject of actor %d is empty or not UTF-8", n+1)
		}
		if actor.Session != "" && !isID(actor.Session) {
			return fmt.Sprintf("session of actor %d is not %d hexadecimal digits in lower case", n+1, idDigits)
		}
		if actor.KeyID != "" && !isKeyID(actor.KeyID) {
			return fmt.Sprintf("key of actor %d is not the thumbprint of one", n+1)
		}
	}
	return ""
}

func (c Claims) delegationProblem() string {
	if !c.Delegated {
		if c.Node != "" || len(c.Roles) != 0 {
			return "has roles or a node without being delegated"
		}
		return ""
	}
	if !isText(c.Node) {
		return "node is empty or not UTF-8"
	}
	if len(c.Roles) > MaxRoles {
		return fmt.Sprintf("has %d roles, over the limit of %d", len(c.Roles), MaxRoles)
	}
	for n, role := range c.Roles {
		if !isText(role) {
			return fmt.Sprintf("role %d is empty or not UTF-8", n+1)
		}
	}
	return ""
}

func isID(id string) bool {
	return len(id) == idDigits && strings.Trim(id, "0123456789abcdef") == ""
}

func isMethod(method string) bool {
	return method != "" && len(method) <= maxMethod &&
		strings.Trim(method, "abcdefghijklmnopqrstuvwxyz0123456789-") == ""
}

// isText refuses the replacement character with what is not UTF-8: it is what
// JSON decoders make of broken text, so that two texts would become one.
func isText(text string) bool {
	return text != "" && utf8.ValidString(text) && !strings.ContainsRune(text, utf8.RuneError)
}
