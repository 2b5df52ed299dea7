package ledger

import (
	"slices"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// maxPageText is how many bytes of text a page of documents has, beyond which it
// ends with the document that reached it.
const maxPageText = 1 << 20

// maySeeDocument: everybody may ask. Who has no part in the document is told of
// none.
func maySeeDocument(_ kv.Reader, req *pb.DocumentRequest) ([]command.Need, error) {
	return []command.Need{{Operation: command.Anyone, Path: path.Root}}, checkID(req.Id)
}

func showDocument(v *command.Reading, req *pb.DocumentRequest) (*pb.DocumentResponse, error) {
	d, ok := findDocument(v, req.Id)
	if !ok || !relatedTo(v, &v.Caller, v.Time).toDocument(&d) {
		return nil, noDocument(req.Id)
	}
	return describeDocument(v, v.Time, &d), nil
}

// describeDocument gives all of a document but the note: that is signed by the
// node that is asked.
func describeDocument(r kv.Reader, now int64, d *document) *pb.DocumentResponse {
	res := &pb.DocumentResponse{
		Id: d.name, Type: d.kind.String(), State: d.state(r, now), Version: 1, Text: d.text, Hash: d.hash,
		Index: d.id.Index, UnixNanos: d.time,
	}
	switch d.kind {
	case chequeDocument:
		c := mustCheque(r, d.name)
		res.Version, res.Uses, res.Cashed = c.version, c.used, c.cashed.Format(mustAsset(r, c.asset).scale)
	case invoiceDocument:
		i := mustInvoice(r, d.name)
		scale := mustAsset(r, i.asset).scale
		res.Version, res.Paid, res.Credited, res.Open = i.version, i.paid.Format(scale), i.credited.Format(scale), i.open().Format(scale)
	}
	return res
}

func maySeeDocuments(_ kv.Reader, req *pb.DocumentsRequest) ([]command.Need, error) {
	if _, err := lines(req.Limit); err != nil {
		return nil, err
	}
	return mayRead(req.Account)
}

// listDocuments gives the documents that name an account, in the order in which
// they were made.
func listDocuments(v *command.Reading, req *pb.DocumentsRequest) (*pb.DocumentsResponse, error) {
	a, _, err := readAccount(v, req.Account)
	if err != nil {
		return nil, err
	}
	limit, err := lines(req.Limit)
	if err != nil {
		return nil, err
	}
	after, err := documentsAfter(v, &a, req.Cursor)
	if err != nil {
		return nil, err
	}
	res, size := &pb.DocumentsResponse{}, 0
	for d := range documentsByAccount.Scan(v, a.id, after, false) {
		if n := len(res.Documents); n == limit || size >= maxPageText {
			res.Cursor = res.Documents[n-1].Id
			break
		}
		res.Documents = append(res.Documents, describeDocument(v, v.Time, &d))
		size += len(d.text)
	}
	return res, nil
}

// documentsAfter reads a cursor, which is the id of the last document of a page of
// the account.
func documentsAfter(r kv.Reader, of *account, cursor string) (kv.Key, error) {
	if cursor == "" {
		return nil, nil
	}
	d, ok := findDocument(r, cursor)
	if !ok || !slices.Contains(d.accounts, of.id) {
		return nil, fault.Invalid.New("cursor %s: it is none of an earlier answer", quote(cursor))
	}
	return d.id, nil
}
