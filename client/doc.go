// Package client calls a cluster of acquired from a Go program.
//
// Dial needs to know where some of the nodes are, the id of the cluster and
// the certificate of its authority, by which nodes prove that they belong to
// it, and who calls: with a certificate, or with a token, such as one of
// Identity.Login.
//
//	c, err := client.Dial(ctx, client.Config{
//		Addresses: []string{"node1:7400", "node2:7400"},
//		Cluster:   "research",
//		CA:        ca,
//		Token:     token,
//	})
//
// A Client has one field for each service of the API. A write answers with the
// index it took effect at, and a read by the same client sees it, whichever
// node answers:
//
//	paid, err := c.Ledger.Transfer(ctx, &pb.TransferRequest{Transfers: transfers})
//	balance, err := c.Ledger.Balance(ctx, &pb.BalanceRequest{Path: "/account/alice"})
//
// WithRead asks for another freshness than that for one call.
//
// # Retries
//
// A call that finds a node away, without a leader or too slow is made again,
// at another node, until its context ends. A write carries the same request id
// each time, by which the cluster knows it again: it takes effect at most once
// and the answer is that of the one time it did. Every other refusal is the
// answer, and is returned at once.
//
// Writes made at the same time travel together. It changes neither what they
// mean nor, when there is one only, how long it takes; but the options of a
// grpc call and the metadata of its context are not sent with it.
//
// # Errors
//
// Every error of a call is a fault: errors.Is(err, fault.NotFound) holds for a
// thing that does not exist. A call to which nobody answered in time ends with
// fault.Unavailable, and fault.OutcomeOf says what became of the write. Definite:
// it was not applied and never will be. Unknown: it was sent, and may have been
// applied, or may yet be. To learn which, make the same call again with the
// same request id: for that, choose the id beforehand and keep it with
// WithRequestID. A read has no outcome to doubt and is always definite.
//
// # Compatibility
//
// Programs written for this package go on building and working with later
// versions of it, and with every version of the cluster that speaks
// acquired.v1. Config and the messages may gain fields, whose zero value is
// what was before; Client may gain fields and methods; faults may gain kinds and
// details. A Config is therefore best written with the names of its fields. The
// text of messages may change; their kinds do not.
package client
