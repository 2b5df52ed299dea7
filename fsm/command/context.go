package command

import (
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/proto/fault"
)

// System is the principal of the cluster itself.
const System path.Path = "/system"

// Caller is who a command or query is from, as the node that received the call
// proved it. Whether what was proved still counts is a matter of the state:
// identity.Standing.
type Caller struct {
	Principal path.Path
	// Operator may do everything.
	Operator bool
	// Method is what the proof was: one of those below.
	Method string
	// Issued is when the proof was made, and Expires when it ends, in nanoseconds since
	// 1970. 0 is not known for the one, and never for the other.
	Issued, Expires int64
	// Born tells the principal from others of its name, Epoch is its epoch,
	// Session names the credential and Key the key that signed it. They are those
	// of a credential of the cluster, and zero for other proofs.
	Born, Epoch  uint64
	Session, Key string
	// Actors vouched for the caller, newest first.
	Actors []Actor
	// Issuer is the outside issuer of the token, as it was at IssuerIndex; Scopes
	// are those of the token.
	Issuer      string
	IssuerIndex uint64
	Scopes      []string
}

// The methods of a proof.
const (
	// ByCertificate is a certificate of the cluster's authority.
	ByCertificate = "certificate"
	// BySSH is a credential of the cluster for who signed with an ssh key.
	BySSH = "ssh"
	// ByVouching is a credential of the cluster that another principal obtained.
	ByVouching = "vouch"
	// ByIssuer is a token of an outside issuer.
	ByIssuer = "issuer"
	// ByName is no proof at all.
	ByName = "none"
)

// Actor is a principal that vouched for a caller, and what it was then.
type Actor struct {
	Principal path.Path
	// Born is 0 for an operator, who need not be in the tree.
	Born, Epoch uint64
	// Session is empty for who showed a certificate; Key signed the credential of
	// the session.
	Session, Key string
}

// ID names something that a command made: the index of the log entry and a
// counter that runs through all commands of the entry. IDs grow with time. The
// zero value names nothing.
type ID struct {
	Index   uint64
	Counter uint32
}

// AppendKey implements kv.Key.
func (id ID) AppendKey(b []byte) []byte {
	return kv.AppendUint32Key(kv.AppendUint64Key(b, id.Index), id.Counter)
}

// AppendID appends a field of a record.
func AppendID(b []byte, id ID) []byte {
	return kv.AppendUint(kv.AppendUint(b, id.Index), uint64(id.Counter))
}

// DecodeID reads a field appended by AppendID.
func DecodeID(d *kv.Decoder) ID { return ID{Index: d.Uint(), Counter: uint32(d.Uint())} }

// Tx is all that the body of a command may see and change.
type Tx struct {
	*kv.Tx
	// Index of the log entry.
	Index uint64
	// Time is the log time in nanoseconds since 1970: the leader's clock, which
	// never runs back.
	Time   int64
	Caller Caller
	// Command is the name of the command that is applied.
	Command string
	// RequestID is that of the command; those of the cluster itself have none.
	RequestID string
	// Entry is what the commands of the log entry share.
	Entry *Entry
}

// Entry counts what the commands of a log entry did together, those that were refused
// included. The zero value is for an entry that begins.
type Entry struct {
	// made is how many IDs, grown how many bytes Grow was told of.
	made  uint32
	grown int
}

// MaxGrowth is how many bytes the commands of an entry may write that they do not carry
// themselves: a command of a few bytes may list what others did.
const MaxGrowth = 4 << 20

// Grow does what writes such bytes, and gives how many they were, unless commands of the
// entry before came to MaxGrowth: then it returns fault.Unavailable, and the command is to
// be sent again.
func (tx *Tx) Grow(write func() (bytes int, err error)) error {
	if tx.Entry.grown >= MaxGrowth {
		return fault.Unserved(fault.Definite, "commands at the same time write more than %d bytes of lists: send it again", MaxGrowth)
	}
	bytes, err := write()
	tx.Entry.grown += bytes
	return err
}

// NewID gives an ID that nothing else has.
func (tx *Tx) NewID() ID {
	tx.Entry.made++
	return ID{Index: tx.Index, Counter: tx.Entry.made}
}

// Reading is all that the body of a query may see.
type Reading struct {
	*kv.View
	// Index of the newest entry that the view holds.
	Index uint64
	// Time is the log time of that entry.
	Time   int64
	Caller Caller
}
