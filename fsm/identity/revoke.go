package identity

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// Revoke ends a session of a principal, or everything issued to it before.
var Revoke = command.Define(&Commands, "identity.revoke", mayRevoke, revoke)

// principal is what was revoked of a principal. It stays when the principal is
// removed: certificates name a path.
type principal struct {
	path path.Path
	// epoch is in credentials; those of another epoch are refused.
	epoch uint64
	// revokedAt is the log time of the newest revocation of everything;
	// certificates and tokens of outside issuers made until then are refused.
	revokedAt int64
}

var principals = kv.NewHashed(&Schema, "identity/principal", kv.Codec[principal]{
	Append: func(b []byte, p principal) []byte {
		return kv.AppendInt(kv.AppendUint(kv.AppendString(b, p.path), p.epoch), p.revokedAt)
	},
	Decode: func(b []byte) (principal, error) {
		d := kv.NewDecoder(b)
		p := principal{path.Path(d.String()), d.Uint(), d.Int()}
		return p, d.Err()
	},
}, func(p principal) path.Path { return p.path }, 0)

// session is one that was revoked by itself.
type session struct {
	sessionKey
	// until is the log time from which on no credential of the session can be
	// valid anyway, so that it need not be remembered.
	until int64
}

type sessionKey struct {
	path path.Path
	id   string
}

// AppendKey implements kv.Key.
func (k sessionKey) AppendKey(b []byte) []byte {
	return kv.StringKey(k.id).AppendKey(k.path.AppendKey(b))
}

var sessions = kv.NewTable(&Schema, "identity/revoked_session", kv.Codec[session]{
	Append: func(b []byte, s session) []byte {
		return kv.AppendInt(kv.AppendString(kv.AppendString(b, s.path), s.id), s.until)
	},
	Decode: func(b []byte) (session, error) {
		d := kv.NewDecoder(b)
		s := session{sessionKey{path.Path(d.String()), d.String()}, d.Int()}
		return s, d.Err()
	},
}, func(s session) sessionKey { return s.sessionKey }, kv.Resident)

// Limits of sessions.
const (
	// SessionDigits is the length of the id of a session, in hexadecimal digits.
	SessionDigits = 32
	// MaxSessionNanos is how long a credential may be valid: 12 hours.
	MaxSessionNanos = 12 * 60 * 60 * 1_000_000_000
	// MaxRevokedSessions is how many sessions of one principal may be revoked one
	// by one and still be running; with more, all are to be revoked at once.
	MaxRevokedSessions = 1024
)

// mayRevoke: the principal itself, and who administers it.
func mayRevoke(_ kv.Reader, req *pb.RevokeRequest) ([]command.Need, error) {
	p, err := ParsePrincipal(req.Principal)
	if err != nil {
		return nil, err
	}
	if req.Session != "" && !isSession(req.Session) {
		return nil, fault.Invalid.New("a session is %d hexadecimal digits", SessionDigits)
	}
	return []command.Need{{Operation: command.Admin, Path: p, OrSelf: true}}, nil
}

func isSession(id string) bool {
	ok := len(id) == SessionDigits
	for i := range len(id) {
		c := id[i]
		ok = ok && (c >= '0' && c <= '9' || c >= 'a' && c <= 'f')
	}
	return ok
}

func revoke(tx *command.Tx, req *pb.RevokeRequest) (*pb.RevokeResponse, error) {
	p, err := ParsePrincipal(req.Principal)
	if err != nil {
		return nil, err
	}
	res := &pb.RevokeResponse{Index: tx.Index}
	if req.Session == "" {
		record := recordOf(tx, p)
		record.path, record.epoch, record.revokedAt = p, record.epoch+1, tx.Time
		principals.Put(tx.Tx, record)
		return res, nil
	}
	key := sessionKey{p, req.Session}
	if err := forgetSessions(tx, key); err != nil {
		return nil, err
	}
	sessions.Put(tx.Tx, session{key, tx.Time + MaxSessionNanos})
	return res, nil
}

// forgetSessions drops those of the principal that have ended by themselves, and
// refuses the session when there are too many others.
func forgetSessions(tx *command.Tx, of sessionKey) error {
	var over []sessionKey
	running := 0
	for s := range sessions.From(tx, sessionKey{path: of.path}) {
		if s.path != of.path {
			break
		}
		switch {
		case s.until <= tx.Time:
			over = append(over, s.sessionKey)
		case s.sessionKey != of:
			running++
		}
	}
	for _, key := range over {
		sessions.Delete(tx.Tx, key)
	}
	if running >= MaxRevokedSessions {
		return fault.Exhausted.New("%d sessions of %s are revoked one by one, which is the most: revoke all of them", running, of.path)
	}
	return nil
}

func recordOf(r kv.Reader, p path.Path) principal {
	record, _ := principals.Get(r, p)
	return record
}

func revoked(r kv.Reader, p path.Path, id string) bool {
	_, ok := sessions.Get(r, sessionKey{p, id})
	return ok
}
