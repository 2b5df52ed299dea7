package token

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode"

	"acquired/proto/fault"
)

// parse reads claims whose signature is good.
func (o Outside) parse(data []byte) (outsideContents, error) {
	members, err := parseObject(data)
	if err != nil {
		return outsideContents{}, fault.Unauthenticated.New("token payload %s", err)
	}
	if issuer, _ := members.text("iss"); issuer != o.Issuer {
		return outsideContents{}, fault.Unauthenticated.New("token issuer is not %s", o.Issuer)
	}
	if !isAmong(members, "aud", o.Audience) {
		return outsideContents{}, fault.Unauthenticated.New("token audience is not %s", o.Audience)
	}
	subject, ok := members.text("sub")
	if !ok || !isName(subject) {
		return outsideContents{}, fault.Unauthenticated.New("token subject is not 1 to %d bytes without control characters", maxName)
	}
	id, ok := members.text("jti")
	if members.has("jti") && (!ok || !isName(id)) {
		return outsideContents{}, fault.Unauthenticated.New("token id is not 1 to %d bytes without control characters", maxName)
	}
	scopes, ok := parseScopes(members)
	if !ok {
		return outsideContents{}, fault.Unauthenticated.New("token scopes are not at most %d of printable ASCII without quotes and backslashes", MaxScopes)
	}
	found := outsideContents{claims: OutsideClaims{ID: id, Subject: subject, Scopes: scopes}}
	return found, found.parseTimes(members)
}

func (c *outsideContents) parseTimes(members object) error {
	var ok bool
	if c.claims.ExpiresAt, ok = members.instant("exp"); !ok {
		return fault.Unauthenticated.New("token has no expiry in seconds after 1970 and before the year 10000")
	}
	if c.claims.IssuedAt, ok = members.instant("iat"); ok != members.has("iat") {
		return fault.Unauthenticated.New("token has a time of issue that is not in seconds after 1970 and before the year 10000")
	}
	if c.notBefore, ok = members.instant("nbf"); ok != members.has("nbf") {
		return fault.Unauthenticated.New("token has a start that is not in seconds after 1970 and before the year 10000")
	}
	return nil
}

// isAmong says whether a member is the text or a list of texts with it.
func isAmong(members object, name, text string) bool {
	if single, ok := members.text(name); ok {
		return single == text
	}
	list, _ := members.texts(name)
	return slices.Contains(list, text)
}

// parseScopes reads "scope", or else "scp". Each may be a list or a string of
// scopes with spaces between.
func parseScopes(members object) (scopes []string, ok bool) {
	name := "scope"
	if !members.has(name) {
		name = "scp"
	}
	if !members.has(name) {
		return nil, true
	}
	var joined string
	if err := json.Unmarshal(members[name], &joined); err == nil {
		scopes = strings.FieldsFunc(joined, func(r rune) bool { return r == ' ' })
	} else if err := json.Unmarshal(members[name], &scopes); err != nil {
		return nil, false
	}
	if len(scopes) == 0 {
		return nil, true
	}
	return scopes, len(scopes) <= MaxScopes && !slices.ContainsFunc(scopes, isNoScope)
}

// isName refuses what would spoil a log or a screen.
func isName(text string) bool {
	return text != "" && len(text) <= maxName && !strings.ContainsFunc(text, unicode.IsControl)
}

// isNoScope says whether text is other than the scopes of RFC 6749.
func isNoScope(text string) bool {
	return text == "" || len(text) > maxName || strings.ContainsFunc(text, func(r rune) bool {
		return r <= ' ' || r == '"' || r == '\\' || r > '~'
	})
}
