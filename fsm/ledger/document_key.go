package ledger

import (
	"slices"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// PutDocumentKey adds a key that signs documents from then on, its private part
// sealed. There is none, or another was asked for.
var PutDocumentKey = command.Define(&Commands, "ledger.put_document_key", command.Internal, putDocumentKey)

// RotateDocumentKey asks for another key. The leader makes it: the state machine has
// neither randomness nor keys in clear.
var RotateDocumentKey = command.WhenRefused(command.Alone(
	command.Define(&Commands, "ledger.rotate_document_key", mayRotateDocumentKey, rotateDocumentKey)), rotationRefused)

// DocumentKeys lists the keys that documents are and were signed with: everybody
// may know them.
var DocumentKeys = command.DefineQuery(&Commands, "ledger.document_keys", command.Public[*pb.DocumentKeysRequest], listDocumentKeys)

// MaxDocumentKeys is how many keys there may ever be. None is dropped: what it
// signed is verified for ever.
const MaxDocumentKeys = 64

// DocumentKey signs documents until there is a newer one.
type DocumentKey struct {
	ID command.ID
	// Verifier is the public key, in the format of a verifier key of a signed note.
	Verifier string
	// Sealed is the private key, under the root key of that id.
	Sealed  []byte
	RootKey string
	// Created is the log time in nanoseconds since 1970.
	Created int64
}

// documentKeys are in the order in which they were made.
var documentKeys = kv.NewTable(&Schema, "ledger/document_key", kv.Codec[DocumentKey]{
	Append: func(b []byte, k DocumentKey) []byte {
		b = kv.AppendString(command.AppendID(b, k.ID), k.Verifier)
		return kv.AppendInt(kv.AppendString(kv.AppendString(b, k.Sealed), k.RootKey), k.Created)
	},
	Decode: func(b []byte) (DocumentKey, error) {
		d := kv.NewDecoder(b)
		k := DocumentKey{ID: command.DecodeID(&d), Verifier: d.String(), Sealed: d.Bytes(), RootKey: d.String(), Created: d.Int()}
		return k, d.Err()
	},
}, func(k DocumentKey) command.ID { return k.ID }, kv.Resident)

// rotations has what asked for a key last.
var rotations = kv.NewTable(&Schema, "ledger/document_key_rotation", kv.Codec[command.ID]{
	Append: command.AppendID,
	Decode: func(b []byte) (command.ID, error) {
		d := kv.NewDecoder(b)
		id := command.DecodeID(&d)
		return id, d.Err()
	},
}, func(command.ID) kv.StringKey { return theRotation }, kv.Resident)

const theRotation = kv.StringKey("last")

// DocumentKeyWanted says whether the leader is to make a key: there is none, or none
// since one was asked for.
func DocumentKeyWanted(r kv.Reader) bool {
	newest, ok := CurrentDocumentKey(r)
	asked, _ := rotations.Get(r, theRotation)
	return !ok || isBefore(newest.ID, asked)
}

// mayRotateDocumentKey: it signs in the name of the whole cluster.
func mayRotateDocumentKey(kv.Reader, *pb.RotateDocumentKeyRequest) ([]command.Need, error) {
	return needs(command.Admin, path.Root), nil
}

func rotateDocumentKey(tx *command.Tx, _ *pb.RotateDocumentKeyRequest) (*pb.RotateDocumentKeyResponse, error) {
	if count := len(Verifiers(tx)); count >= MaxDocumentKeys {
		return nil, tooManyDocumentKeys(count)
	}
	rotations.Put(tx.Tx, tx.NewID())
	auditOne(tx, &auditLine{what: describeRotation})
	return &pb.RotateDocumentKeyResponse{Index: tx.Index}, nil
}

const describeRotation = "sign documents with another key"

func rotationRefused(tx *command.Tx, _ *pb.RotateDocumentKeyRequest, refusal *fault.Fault) *fault.Fault {
	return auditRefusal(tx, refusal, &auditLine{what: describeRotation})
}

func tooManyDocumentKeys(count int) error {
	return fault.Exhausted.New("there are %d document keys, which is the most: none is dropped, what it signed is verified for ever", count)
}

func putDocumentKey(tx *command.Tx, req *statev1.PutDocumentKeyRequest) (*statev1.PutDocumentKeyResponse, error) {
	all := Verifiers(tx)
	switch {
	case slices.Contains(all, req.Verifier):
		return nil, fault.Exists.New("document key %s exists", req.Verifier)
	case len(all) >= MaxDocumentKeys:
		return nil, tooManyDocumentKeys(len(all))
	case !DocumentKeyWanted(tx): // another leader made it
		return nil, fault.Conflict.New("document key %s signs, and no other was asked for", all[len(all)-1])
	}
	documentKeys.Put(tx.Tx, DocumentKey{
		ID: tx.NewID(), Verifier: req.Verifier, Sealed: req.Sealed, RootKey: req.RootKey, Created: tx.Time,
	})
	auditOne(tx, &auditLine{what: "sign documents with the key " + req.Verifier})
	return &statev1.PutDocumentKeyResponse{}, nil
}

// CurrentDocumentKey gives the key that signs documents; ok is false while there is
// none.
func CurrentDocumentKey(r kv.Reader) (newest DocumentKey, ok bool) {
	for k := range documentKeys.All(r) {
		newest, ok = k, true
	}
	return newest, ok
}

func listDocumentKeys(v *command.Reading, _ *pb.DocumentKeysRequest) (*pb.DocumentKeysResponse, error) {
	res := &pb.DocumentKeysResponse{}
	for k := range documentKeys.All(v) {
		if n := len(res.Keys); n > 0 {
			res.Keys[n-1].UntilUnixNanos = k.Created
		}
		res.Keys = append(res.Keys, &pb.DocumentKey{Verifier: k.Verifier, CreatedUnixNanos: k.Created})
	}
	if n := len(res.Keys); n > 0 {
		res.Keys[n-1].Current = true
	}
	return res, nil
}

// Verifiers gives the verifier keys of all documents, the newest last.
func Verifiers(r kv.Reader) (all []string) {
	for k := range documentKeys.All(r) {
		all = append(all, k.Verifier)
	}
	return all
}
