package token

import (
	"crypto/ed25519"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/golang-jwt/jwt/v5"

	"acquired/proto/fault"
)

// The "typ" headers keep a credential that proves an identity apart from one
// that is shown to others, which could use it were they alike.
const (
	identityType   = "acquired+jwt"
	delegationType = "acquired-delegation+jwt"
)

// SigningKey is a key that may sign now. Neither logs nor package fmt show the
// private part.
type SigningKey struct {
	// ID is the KeyID of the public part.
	ID      string
	Private ed25519.PrivateKey `json:"-"`
}

// LogValue keeps the private part out of logs.
func (k SigningKey) LogValue() slog.Value { return slog.StringValue(k.ID) }

// Format writes the id, whatever the verb.
func (k SigningKey) Format(state fmt.State, _ rune) { io.WriteString(state, k.ID) }

// signedHeader is the header of a credential.
type signedHeader struct {
	Algorithm string `json:"alg"`
	Type      string `json:"typ"`
	KeyID     string `json:"kid"`
}

// signedClaims are the claims of a credential by their names in it.
type signedClaims struct {
	Issuer   string       `json:"iss"`
	Audience string       `json:"aud"`
	Subject  string       `json:"sub"`
	ID       string       `json:"jti"`
	Issued   int64        `json:"iat"`
	Expires  int64        `json:"exp"`
	Born     uint64       `json:"born"`
	Epoch    uint64       `json:"epoch"`
	Methods  []string     `json:"amr"`
	Actor    *signedActor `json:"act,omitempty"`
	Roles    []string     `json:"roles,omitempty"`
	Node     string       `json:"node,omitempty"`
}

// signedActor is an Actor with the one before it.
type signedActor struct {
	Subject string       `json:"sub"`
	Born    uint64       `json:"born"`
	Epoch   uint64       `json:"epoch"`
	Session string       `json:"sid,omitempty"`
	KeyID   string       `json:"kid,omitempty"`
	Actor   *signedActor `json:"act,omitempty"`
}

// Sign gives the credential that says the claims, in the name of the cluster. It
// chooses nothing: times and id are as given. Claims that break a rule stated at
// Claims, name another key or cluster, or make a token over MaxBytes are an
// Invalid fault. Any other error is a key that cannot sign.
func Sign(cluster string, key SigningKey, claims Claims) (string, error) {
	if len(key.Private) != ed25519.PrivateKeySize || key.ID == "" || KeyID(key.Private.Public().(ed25519.PublicKey)) != key.ID {
		return "", fmt.Errorf("signing key %q is not a sound Ed25519 key with its own thumbprint for an id", key.ID)
	}
	if cluster == "" {
		return "", fault.Invalid.New("token has no cluster")
	}
	if claims.KeyID != "" && claims.KeyID != key.ID {
		return "", fault.Invalid.New("token names another key than %s, which signs", key.ID)
	}
	if claims.Audience != "" && claims.Audience != Audience(cluster) {
		return "", fault.Invalid.New("token audience is not %s", Audience(cluster))
	}
	if problem := claims.problem(); problem != "" {
		return "", fault.Invalid.New("token %s", problem)
	}
	token, err := sign(key, claims.header(key.ID), claims.payload(cluster))
	if err != nil {
		return "", fmt.Errorf("sign token: %w", err)
	}
	if len(token) > MaxBytes {
		return "", fault.Invalid.New("token would be %d bytes long, over the limit of %d: fewer roles or shorter paths are needed", len(token), MaxBytes)
	}
	return token, nil
}

func (c Claims) header(keyID string) signedHeader {
	kind := identityType
	if c.Delegated {
		kind = delegationType
	}
	return signedHeader{Algorithm: jwt.SigningMethodEdDSA.Alg(), Type: kind, KeyID: keyID}
}

func (c Claims) payload(cluster string) signedClaims {
	return signedClaims{
		Issuer:   Audience(cluster),
		Audience: Audience(cluster),
		Subject:  c.Subject,
		ID:       c.ID,
		Issued:   c.IssuedAt.Unix(),
		Expires:  c.ExpiresAt.Unix(),
		Born:     c.Born,
		Epoch:    c.Epoch,
		Methods:  []string{c.Method},
		Actor:    nest(c.Actors),
		Roles:    c.Roles,
		Node:     c.Node,
	}
}

// nest puts each actor in the one after it.
func nest(actors []Actor) *signedActor {
	if len(actors) == 0 {
		return nil
	}
	newest := actors[0]
	return &signedActor{
		Subject: newest.Subject, Born: newest.Born, Epoch: newest.Epoch, Session: newest.Session, KeyID: newest.KeyID,
		Actor: nest(actors[1:]),
	}
}

func sign(key SigningKey, header signedHeader, payload signedClaims) (string, error) {
	encodedHeader, err := json.Marshal(header)
	if err != nil {
		return "", err
	}
	encodedPayload, err := json.Marshal(payload)
	if err != nil {
		return "", err
	}
	text := base64.RawURLEncoding.EncodeToString(encodedHeader) + "." + base64.RawURLEncoding.EncodeToString(encodedPayload)
	signature, err := jwt.SigningMethodEdDSA.Sign(text, key.Private)
	if err != nil {
		return "", err
	}
	return text + "." + base64.RawURLEncoding.EncodeToString(signature), nil
}
