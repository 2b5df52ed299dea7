package client

import "encoding/binary"

// loginDomain keeps the signatures of logins apart from all others. Read as what
// an ssh key signs elsewhere, it is no session id and no preamble.
const loginDomain = "acquired login v1"

// LoginStatement gives what the signature of an Identity.Login is over: with its
// ssh key the principal states, to the cluster of that id, who it is. The time,
// in seconds since 1970, and the nonce are those of the LoginRequest. A node
// builds the same from the request and its own cluster, and verifies the
// signature against it; so it is good for one cluster, one principal and one
// login.
//
// It is the text "acquired login v1" and then the cluster, the principal, the
// time as 8 bytes, and the nonce, each behind its length in 4 bytes. Numbers have
// their most significant byte first. No two statements have the same bytes.
func LoginStatement(cluster, principal string, unix int64, nonce []byte) []byte {
	statement := []byte(loginDomain)
	for _, field := range [][]byte{
		[]byte(cluster), []byte(principal), binary.BigEndian.AppendUint64(nil, uint64(unix)), nonce,
	} {
		statement = binary.BigEndian.AppendUint32(statement, uint32(len(field)))
		statement = append(statement, field...)
	}
	return statement
}
