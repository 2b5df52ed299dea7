// Package conformance compares a running node with answers that were recorded of
// Access Manager, the system before this one: six universes are loaded the way
// their owners would, and every question that was put to Access Manager is put
// to the node, over gRPC and as the same caller.
//
// The recordings are beside the repository, in ../shared/data/access-manager;
// without them the tests are skipped. What is different on purpose is listed in
// differences.txt, with the reason: the tests fail for a difference that is not
// listed, and for a listed one that does not occur.
//
// The package has tests only.
package conformance
