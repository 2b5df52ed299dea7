package server

import (
	"context"
	"crypto/rand"
	"fmt"
	"net/http"

	"golang.org/x/mod/sumdb/note"

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

// makeDocumentKey gives the cluster a key to sign documents with, if it has none.
// It signs for ever: who holds a document may verify it in years.
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
