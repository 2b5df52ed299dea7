// Package token issues and verifies the bearer credentials of workloads. A
// token is a JSON Web Token signed with Ed25519. It says whom the bearer speaks
// for, until when, and with which grants; what those are worth is decided where
// the call is served. Tokens are kept nowhere.
//
// A cluster issues tokens for itself only. What it would not issue it does not
// accept: no other algorithm, header or claim, and no other spelling.
package token

import (
	"log/slog"
	"time"
)

// The limits of a token.
const (
	// MaxBytes is the length of the longest token, encoded.
	MaxBytes = 16 << 10
	// MaxGrants is how many grants a token may have.
	MaxGrants = 64
	// MinLifetime and MaxLifetime bound the time from issue to expiry.
	MinLifetime = time.Second
	MaxLifetime = 30 * 24 * time.Hour
	// DefaultLifetime is that of a token for which none is asked.
	DefaultLifetime = time.Hour
)

// Grant is an operation and a path for which, with all below it, it is granted.
type Grant struct {
	Operation string `json:"operation"`
	Path      string `json:"path"`
}

// Claims are what a token says.
type Claims struct {
	// ID is 32 hexadecimal digits, different for every token.
	ID string
	// Subject is whom the bearer speaks for. It is never empty.
	Subject string
	// Audience is the one cluster that issued the token and that accepts it:
	// "acquired:" and the cluster id.
	Audience string
	// IssuedAt and ExpiresAt are whole seconds, in UTC. From ExpiresAt on the
	// token is no longer valid.
	IssuedAt  time.Time
	ExpiresAt time.Time
	// Grants are at most MaxGrants; nil is none.
	Grants []Grant
}

// LogValue gives what identifies the token and lets nobody use it.
func (c Claims) LogValue() slog.Value {
	return slog.GroupValue(
		slog.String("id", c.ID),
		slog.String("subject", c.Subject),
		slog.Time("expires", c.ExpiresAt),
		slog.Int("grants", len(c.Grants)),
	)
}
