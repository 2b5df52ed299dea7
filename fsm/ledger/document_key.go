package ledger

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// PutDocumentKey adds a key that signs documents, its private part sealed.
var PutDocumentKey = command.Define(&Commands, "ledger.put_document_key", command.Internal, putDocumentKey)

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

func putDocumentKey(tx *command.Tx, req *statev1.PutDocumentKeyRequest) (*statev1.PutDocumentKeyResponse, error) {
	count := 0
	for k := range documentKeys.All(tx) {
		if k.Verifier == req.Verifier {
			return nil, fault.Exists.New("document key %s exists", k.Verifier)
		}
		count++
	}
	if count >= MaxDocumentKeys {
		return nil, fault.Exhausted.New("there are %d document keys, which is the most", count)
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
