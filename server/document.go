package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"

	"golang.org/x/mod/sumdb/note"
	"google.golang.org/protobuf/proto"

	"acquired/fsm/command"
	"acquired/fsm/ledger"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/seal"
)

const purposeDocumentKey = "document key"

// Document gives a document, signed by this node: the state machine holds what is
// signed, and no key in clear.
func (s *ledgerService) Document(ctx context.Context, req *pb.DocumentRequest) (*pb.DocumentResponse, error) {
	res, err := read(ctx, s.node, ledger.Document, req)
	if err != nil {
		return nil, err
	}
	signed, err := s.node.signDocument(res.Text)
	res.Note = signed
	return res, err
}

// signDocument gives the note that says the text in the name of the cluster.
func (n *Node) signDocument(text string) (string, error) {
	v := n.machine.View(command.Caller{})
	defer v.Close()
	signer, err := n.keyring.documentSigner(v)
	if err != nil {
		return "", err
	}
	signed, err := note.Sign(&note.Note{Text: text}, signer)
	if err != nil {
		return "", fmt.Errorf("sign a document: %w", err)
	}
	return string(signed), nil
}

// documentSigner gives the key that signs documents.
func (k *keyring) documentSigner(v *command.Reading) (note.Signer, error) {
	stored, ok := ledger.CurrentDocumentKey(v)
	if !ok {
		return nil, fault.Unserved(fault.Definite, "the cluster has no key to sign documents with yet")
	}
	root, err := k.rootKey(v)
	if err != nil {
		return nil, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.documents != nil && k.documentKey == stored.ID {
		return k.documents, nil
	}
	private, err := root.Open(purposeDocumentKey, stored.Verifier, stored.Sealed)
	if err != nil {
		return nil, fmt.Errorf("open document key %s: %w", stored.Verifier, err)
	}
	signer, err := note.NewSigner(string(private))
	if err != nil {
		return nil, fmt.Errorf("document key %s: %w", stored.Verifier, err)
	}
	k.documents, k.documentKey = signer, stored.ID
	return signer, nil
}

// RotateDocumentKey makes the key that was asked for before it answers. If this
// leader can not, it or another does as soon as it can.
func (s *ledgerService) RotateDocumentKey(ctx context.Context, req *pb.RotateDocumentKeyRequest) (*pb.RotateDocumentKeyResponse, error) {
	if err := s.node.canSeal(); err != nil {
		return nil, err
	}
	body, err := proto.MarshalOptions{Deterministic: true}.Marshal(req)
	if err != nil {
		return nil, err
	}
	result, err := s.node.proposeBody(ctx, ledger.RotateDocumentKey.Definition, callOf(ctx).requestID, body)
	if err != nil {
		return nil, err
	}
	if result.Err != nil {
		setIndex(ctx, result.Index)
		return nil, result.Err
	}
	problem := s.node.makeKeys()
	v := s.node.machine.View(command.Caller{})
	defer v.Close()
	if ledger.DocumentKeyWanted(v) {
		return nil, fault.Unserved(fault.Unknown, "another document key was asked for at index %d and is not there yet: %v", result.Index, problem)
	}
	key, _ := ledger.CurrentDocumentKey(v)
	setIndex(ctx, key.ID.Index) // who asks again sees it
	return &pb.RotateDocumentKeyResponse{Index: key.ID.Index, Verifier: key.Verifier}, nil
}

// canSeal refuses what would need a secret to be sealed, if this node can not.
func (n *Node) canSeal() error {
	v := n.machine.View(command.Caller{})
	defer v.Close()
	_, err := n.keyring.rootKey(v)
	return err
}

// makeDocumentKey gives the cluster a key to sign documents with from then on.
func (n *Node) makeDocumentKey(root *seal.Root) error {
	private, verifier, err := note.GenerateKey(rand.Reader, n.config.Cluster)
	if err != nil {
		return err
	}
	sealed, err := root.Seal(purposeDocumentKey, verifier, []byte(private))
	if err != nil {
		return err
	}
	return n.proposeOwn(ledger.PutDocumentKey.Name, &statev1.PutDocumentKeyRequest{
		Verifier: verifier, Sealed: sealed, RootKey: root.ID(),
	})
}

// documentKeys gives the keys by which documents are verified, one a line.
func (n *Node) documentKeys(w http.ResponseWriter, _ *http.Request) {
	v := n.machine.View(command.Caller{})
	defer v.Close()
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	for _, verifier := range ledger.Verifiers(v) {
		fmt.Fprintln(w, verifier)
	}
}
