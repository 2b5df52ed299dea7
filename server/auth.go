package server

import (
	"context"
	"strconv"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/peer"
	"google.golang.org/protobuf/proto"

	"acquired/fsm"
	"acquired/fsm/command"
	"acquired/fsm/identity"
	"acquired/fsm/path"
	statev1 "acquired/proto/acquired/state/v1"
	"acquired/proto/fault"
	"acquired/server/pki"
)

// Headers of calls and answers.
const (
	headerToken     = "authorization"
	headerRequestID = "acquired-request-id"
	headerRead      = "acquired-read"
	headerSeen      = "acquired-seen"
	headerIndex     = "acquired-index"
	headerLag       = "acquired-lag-milliseconds"
	// headerCaller carries the caller of a forwarded call. It is believed only
	// from a node.
	headerCaller = "acquired-caller-bin"
)

type consistency uint8

const (
	readSeen consistency = iota
	readLatest
	readAny
)

// call is what a node knows of a call besides its message.
type call struct {
	caller command.Caller
	// node is the id of the node that calls, on its own behalf or with a call
	// that it forwards; empty for everybody else.
	node        string
	forwarded   bool
	requestID   string
	consistency consistency
	seen        uint64
}

type callKey struct{}

// callOf gives the call of an authenticated context.
func callOf(ctx context.Context) *call {
	c, ok := ctx.Value(callKey{}).(*call)
	if !ok {
		panic("a handler ran for a call that was not authenticated")
	}
	return c
}

// operators is the folder of the principals that operator certificates name.
const operators = "/user/"

// authenticate finds out who calls. The error is a fault.Unauthenticated, a
// fault.Unavailable when this node cannot know, or fault.Invalid for headers that
// make no sense.
func (n *Node) authenticate(ctx context.Context, now time.Time) (*call, error) {
	headers, _ := metadata.FromIncomingContext(ctx)
	c := &call{}
	if err := c.readHeaders(headers); err != nil {
		return nil, err
	}
	who, issued, proved, err := certificateOf(ctx)
	if err != nil {
		return nil, err
	}
	tokens := headers.Get(headerToken)
	switch {
	case len(tokens) > 1, len(tokens) == 1 && proved:
		return nil, fault.Unauthenticated.New("a call proves its caller once, by a certificate or by one token")
	case len(tokens) == 1:
		return c, n.byToken(ctx, c, tokens[0], now)
	case !proved:
		return nil, fault.Unauthenticated.New("the call shows no certificate and no token")
	case who.Role == pki.RoleNode:
		return c, c.byNode(who.Name, headers.Get(headerCaller))
	}
	c.caller = command.Caller{
		Principal: path.Path(who.Name), Operator: who.Role == pki.RoleOperator, Method: command.ByCertificate, Issued: issued.UnixNano(),
	}
	if c.caller.Operator {
		c.caller.Principal = path.Path(operators + who.Name)
	}
	return c, nil
}

func certificateOf(ctx context.Context) (who pki.Identity, issued time.Time, proved bool, err error) {
	from, ok := peer.FromContext(ctx)
	if !ok {
		return who, issued, false, fault.Unauthenticated.New("the connection is not known")
	}
	info, ok := from.AuthInfo.(credentials.TLSInfo)
	if !ok {
		return who, issued, false, fault.Unauthenticated.New("the connection is not TLS")
	}
	if len(info.State.PeerCertificates) == 0 {
		return who, issued, false, nil
	}
	who, err = pki.IdentityOf(info.State.PeerCertificates[0])
	if err != nil {
		return who, issued, false, fault.Unauthenticated.New("%v", err)
	}
	return who, pki.IssuedAt(info.State.PeerCertificates[0]), true, nil
}

func (n *Node) byToken(ctx context.Context, c *call, header string, now time.Time) error {
	scheme, text, _ := strings.Cut(header, " ")
	if !strings.EqualFold(scheme, "bearer") {
		return fault.Unauthenticated.New("the authorization is not a bearer token")
	}
	if strings.HasPrefix(text, "/") || strings.HasPrefix(text, "am://") {
		return c.byName(text)
	}
	return n.accepted(ctx, func(v *command.Reading) (newer bool, err error) {
		c.caller, newer, err = n.byCredential(v, text, now)
		return newer, err
	})
}

// standing says whether what the caller proved counts.
func (n *Node) standing(ctx context.Context, caller command.Caller) error {
	return n.accepted(ctx, func(v *command.Reading) (bool, error) {
		err := identity.Standing(v, &caller, v.Time)
		return err != nil && namesNewer(v, &caller), err
	})
}

// byName takes the caller at its word. Whether that is enough is said by the
// state, which refuses it unless it is there for demonstrations.
func (c *call) byName(name string) error {
	p, err := identity.ParsePrincipal(name)
	if err != nil {
		return fault.Unauthenticated.New("the name is not that of a principal")
	}
	c.caller = command.Caller{Principal: p, Method: command.ByName}
	return nil
}

// byNode believes what a node says of the call that it forwards: the node
// authenticated it.
func (c *call) byNode(node string, forwarded []string) error {
	c.node = node
	if len(forwarded) == 0 {
		c.caller.Principal = command.System
		return nil
	}
	var caller statev1.Caller
	if err := proto.Unmarshal([]byte(forwarded[0]), &caller); err != nil {
		return fault.Unauthenticated.New("the forwarded caller is damaged")
	}
	c.forwarded = true
	c.caller = fsm.CallerOf(&caller)
	return nil
}

func (c *call) readHeaders(headers metadata.MD) error {
	if ids := headers.Get(headerRequestID); len(ids) > 0 {
		c.requestID = ids[0]
		if err := checkRequestID(c.requestID); err != nil {
			return err
		}
	}
	if modes := headers.Get(headerRead); len(modes) > 0 {
		switch modes[0] {
		case "seen":
		case "latest":
			c.consistency = readLatest
		case "any":
			c.consistency = readAny
		default:
			return fault.Invalid.New("header %s is %q: it is seen, latest or any", headerRead, cut(modes[0]))
		}
	}
	if seen := headers.Get(headerSeen); len(seen) > 0 {
		index, err := strconv.ParseUint(seen[0], 10, 64)
		if err != nil {
			return fault.Invalid.New("header %s is %q: it is an index", headerSeen, cut(seen[0]))
		}
		c.seen = index
	}
	return nil
}

func checkRequestID(id string) error {
	ok := len(id) >= 1 && len(id) <= MaxRequestID
	for i := range len(id) {
		ok = ok && id[i] > ' ' && id[i] < 0x7f
	}
	if !ok {
		return fault.Invalid.New("request id %q: it is 1 to %d printable ASCII characters without spaces", cut(id), MaxRequestID)
	}
	return nil
}

// cut keeps messages short whatever the input.
func cut(s string) string { return s[:min(len(s), 80)] }

// setIndex tells the caller the index of its answer. It is told once; a later
// index of the same call is dropped.
func setIndex(ctx context.Context, index uint64) {
	_ = grpc.SetHeader(ctx, metadata.Pairs(headerIndex, strconv.FormatUint(index, 10)))
}

// setLag tells the caller of an any-read how long ago the leader was heard.
func (n *Node) setLag(ctx context.Context) {
	lag := "unknown"
	if since, ok := n.sinceLeader(); ok {
		lag = strconv.FormatInt(since.Milliseconds(), 10)
	}
	_ = grpc.SetHeader(ctx, metadata.Pairs(headerLag, lag))
}
