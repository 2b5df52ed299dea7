package identity

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// PutRootKey keeps the root key of the cluster, wrapped. There is one.
var PutRootKey = command.Define(&Commands, "identity.put_root_key", command.Internal, putRootKey)

// PutSigningKey adds a key that signs credentials, its private part sealed.
var PutSigningKey = command.Define(&Commands, "identity.put_signing_key", command.Internal, putSigningKey)

// RevokeSigningKey ends a key at once, and so all credentials that it signed.
var RevokeSigningKey = command.Define(&Commands, "identity.revoke_signing_key", mayRevokeSigningKey, revokeSigningKey)

// SigningKeys lists the keys.
var SigningKeys = command.DefineQuery(&Commands, "identity.signing_keys", maySeeSigningKeys, listSigningKeys)

// RootKey is the key that seals secrets of the state. Nobody can use it without
// the key-encryption key that wrapped it, which is in no log.
type RootKey struct {
	ID               string
	KeyEncryptionKey string
	Wrapped          []byte
}

var rootKeys = kv.NewTable(&Schema, "identity/root_key", kv.Codec[RootKey]{
	Append: func(b []byte, k RootKey) []byte {
		return kv.AppendString(kv.AppendString(kv.AppendString(b, k.ID), k.KeyEncryptionKey), k.Wrapped)
	},
	Decode: func(b []byte) (RootKey, error) {
		d := kv.NewDecoder(b)
		k := RootKey{d.String(), d.String(), d.Bytes()}
		return k, d.Err()
	},
}, func(k RootKey) kv.StringKey { return kv.StringKey(k.ID) }, kv.Resident)

// SigningKey signs credentials from Active on, until a newer one is active. What
// it signed is accepted until Expires. Times are log times in nanoseconds since
// 1970.
type SigningKey struct {
	ID     string
	Public []byte
	// Sealed is the private key, under the root key of that id.
	Sealed                   []byte
	RootKey                  string
	Created, Active, Expires int64
	Revoked                  bool
}

var signingKeys = kv.NewTable(&Schema, "identity/signing_key", kv.Codec[SigningKey]{
	Append: func(b []byte, k SigningKey) []byte {
		b = kv.AppendString(kv.AppendString(kv.AppendString(kv.AppendString(b, k.ID), k.Public), k.Sealed), k.RootKey)
		b = kv.AppendInt(kv.AppendInt(kv.AppendInt(b, k.Created), k.Active), k.Expires)
		return kv.AppendBool(b, k.Revoked)
	},
	Decode: func(b []byte) (SigningKey, error) {
		d := kv.NewDecoder(b)
		k := SigningKey{
			ID: d.String(), Public: d.Bytes(), Sealed: d.Bytes(), RootKey: d.String(),
			Created: d.Int(), Active: d.Int(), Expires: d.Int(), Revoked: d.Bool(),
		}
		return k, d.Err()
	},
}, func(k SigningKey) kv.StringKey { return kv.StringKey(k.ID) }, kv.Resident)

// MaxSigningKeys is how many keys there may be; those that have expired are
// dropped when one is added.
const MaxSigningKeys = 64

func putRootKey(tx *command.Tx, req *statev1.PutRootKeyRequest) (*statev1.PutRootKeyResponse, error) {
	for k := range rootKeys.All(tx) {
		return nil, fault.Exists.New("the cluster has root key %s", k.ID)
	}
	rootKeys.Put(tx.Tx, RootKey{ID: req.Id, KeyEncryptionKey: req.KeyEncryptionKey, Wrapped: req.Wrapped})
	return &statev1.PutRootKeyResponse{}, nil
}

// CurrentRootKey gives the root key; ok is false while there is none.
func CurrentRootKey(r kv.Reader) (k RootKey, ok bool) {
	for k := range rootKeys.All(r) {
		return k, true
	}
	return RootKey{}, false
}

func putSigningKey(tx *command.Tx, req *statev1.PutSigningKeyRequest) (*statev1.PutSigningKeyResponse, error) {
	if _, ok := signingKeys.Get(tx, kv.StringKey(req.Id)); ok {
		return nil, fault.Exists.New("signing key %s exists", req.Id)
	}
	var over []string
	left := 0
	for k := range signingKeys.All(tx) {
		if k.Expires <= tx.Time {
			over = append(over, k.ID)
			continue
		}
		left++
	}
	for _, id := range over {
		signingKeys.Delete(tx.Tx, kv.StringKey(id))
	}
	if left >= MaxSigningKeys {
		return nil, fault.Exhausted.New("there are %d signing keys, which is the most", left)
	}
	signingKeys.Put(tx.Tx, SigningKey{
		ID: req.Id, Public: req.Public, Sealed: req.Sealed, RootKey: req.RootKey,
		Created: tx.Time, Active: req.ActiveUnixNanos, Expires: req.ExpiresUnixNanos,
	})
	return &statev1.PutSigningKeyResponse{}, nil
}

func mayRevokeSigningKey(_ kv.Reader, req *pb.RevokeSigningKeyRequest) ([]command.Need, error) {
	if len(req.Id) < 1 || len(req.Id) > 64 {
		return nil, fault.Invalid.New("the id of a signing key is 1 to 64 bytes, not %d", len(req.Id))
	}
	return []command.Need{{Operation: command.Admin, Path: path.Root}}, nil
}

func revokeSigningKey(tx *command.Tx, req *pb.RevokeSigningKeyRequest) (*pb.RevokeSigningKeyResponse, error) {
	k, ok := signingKeys.Get(tx, kv.StringKey(req.Id))
	if !ok {
		return nil, fault.NotFound.New("no signing key %q", req.Id)
	}
	k.Revoked = true
	signingKeys.Put(tx.Tx, k)
	return &pb.RevokeSigningKeyResponse{Index: tx.Index}, nil
}

func maySeeSigningKeys(kv.Reader, *pb.SigningKeysRequest) ([]command.Need, error) {
	return []command.Need{{Operation: command.Read, Path: path.Root}}, nil
}

func listSigningKeys(v *command.Reading, _ *pb.SigningKeysRequest) (*pb.SigningKeysResponse, error) {
	res := &pb.SigningKeysResponse{}
	signer, _ := Signer(v, v.Time)
	for _, k := range Keys(v) {
		state := "retiring"
		switch {
		case k.Revoked:
			state = "revoked"
		case k.ID == signer.ID:
			state = "active"
		case k.Active > v.Time:
			state = "published"
		}
		res.Keys = append(res.Keys, &pb.SigningKey{
			Id: k.ID, State: state, CreatedUnix: k.Created / 1e9, ActiveUnix: k.Active / 1e9, ExpiresUnix: k.Expires / 1e9,
		})
	}
	return res, nil
}

// Keys gives the signing keys that have not expired by themselves, in the order
// of their ids.
func Keys(v *command.Reading) (all []SigningKey) {
	for k := range signingKeys.All(v) {
		if k.Expires > v.Time {
			all = append(all, k)
		}
	}
	return all
}

// Key gives the key of the id if what it signed is accepted until the key
// expires.
func Key(r kv.Reader, id string) (SigningKey, bool) {
	k, ok := signingKeys.Get(r, kv.StringKey(id))
	return k, ok && !k.Revoked
}

func keyStands(r kv.Reader, id string, now int64) bool {
	k, ok := Key(r, id)
	return ok && now < k.Expires
}

// Signer gives the key that signs at the log time: of those that are active and
// not revoked, the one that became so last.
func Signer(r kv.Reader, now int64) (newest SigningKey, ok bool) {
	for k := range signingKeys.All(r) {
		if !k.Revoked && k.Active <= now && now < k.Expires && (!ok || k.Active > newest.Active) {
			newest, ok = k, true
		}
	}
	return newest, ok
}
