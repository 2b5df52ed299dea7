package token

import (
	"encoding/base64"
	"strings"

	"acquired/proto/fault"
)

// parts are a token taken apart. Only the header is parsed: nothing else is to
// be read before the signature is verified.
type parts struct {
	header  object
	payload []byte
	// signed is what the signature is over.
	signed    string
	signature []byte
}

// split takes a token apart that is in compact form, in its one spelling.
func split(token string) (parts, error) {
	encoded := strings.SplitN(token, ".", 4)
	if len(encoded) != 3 {
		return parts{}, fault.Unauthenticated.New("token is not three parts joined by dots")
	}
	var decoded [3][]byte
	for n, part := range encoded {
		data, ok := decode(part)
		if !ok {
			return parts{}, fault.Unauthenticated.New("part %d of the token is not strict base64url", n+1)
		}
		decoded[n] = data
	}
	header, err := parseObject(decoded[0])
	if err != nil {
		return parts{}, fault.Unauthenticated.New("token header %s", err)
	}
	return parts{
		header:    header,
		payload:   decoded[1],
		signed:    token[:strings.LastIndexByte(token, '.')],
		signature: decoded[2],
	}, nil
}

// checkLength bounds the work that a token makes.
func checkLength(token string) error {
	if len(token) > MaxBytes {
		return fault.Unauthenticated.New("token is %d bytes long, over the limit of %d", len(token), MaxBytes)
	}
	return nil
}

var encoding = base64.RawURLEncoding.Strict()

// decode reads base64url in the one spelling that encoding gives. Decoding alone
// would skip line breaks.
func decode(part string) ([]byte, bool) {
	if strings.ContainsAny(part, "\r\n") {
		return nil, false
	}
	data, err := encoding.DecodeString(part)
	return data, err == nil
}
