package server

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/health/grpc_health_v1"
	"google.golang.org/grpc/metadata"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	"acquired/fsm"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// method is what a node knows of an RPC.
type method struct {
	// open needs no proof of who calls.
	open bool
	// peer is for nodes only.
	peer bool
	// foreign: it asks the state nothing, so not whether its caller's proof counts.
	foreign bool
	// forward: it has side effects, so the leader serves it.
	forward bool
	output  protoreflect.MessageType
}

// methodsOf reads the methods of what the server registered. What is not
// registered cannot be called; what is not one of ours needs a caller and is
// served here.
func methodsOf(server *grpc.Server) map[string]method {
	methods := make(map[string]method)
	for service, info := range server.GetServiceInfo() {
		for _, m := range info.Methods {
			full := "/" + service + "/" + m.Name
			methods[full] = describe(service, m)
		}
	}
	return methods
}

func describe(service string, m grpc.MethodInfo) method {
	d := method{
		// Who logs in has no proof yet, and shows what it has in the request.
		open: service == grpc_health_v1.Health_ServiceDesc.ServiceName || "/"+service+"/"+m.Name == pb.Identity_Login_FullMethodName,
		peer: service == statev1.Peer_ServiceDesc.ServiceName,
	}
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(service + "." + m.Name))
	if err != nil || !strings.HasPrefix(service, "acquired.") {
		d.foreign = true
		return d
	}
	descriptor := found.(protoreflect.MethodDescriptor)
	options, _ := descriptor.Options().(*descriptorpb.MethodOptions)
	reads := options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS
	d.forward = !reads && !d.peer && !m.IsClientStream && !m.IsServerStream
	if output, err := protoregistry.GlobalTypes.FindMessageByName(descriptor.Output().FullName()); err == nil {
		d.output = output
	}
	return d
}

// intercept is every call's way in: admitted, authenticated, and only then
// received; served, logged.
func (n *Node) intercept(service any, stream grpc.ServerStream, info *grpc.StreamServerInfo, handle grpc.StreamHandler) (err error) {
	begin := time.Now()
	m := n.methods[info.FullMethod]
	var c *call
	defer func() { err = n.ended(stream.Context(), info.FullMethod, c, begin, err) }()
	ctx, leave, err := n.admit(stream.Context(), m, info)
	if err != nil {
		return err
	}
	defer leave()
	ctx, c, err = n.enter(ctx, m, begin)
	if err != nil {
		return err
	}
	authenticated := &authenticatedStream{ServerStream: stream, ctx: ctx, limit: MaxMessage}
	if m.open {
		authenticated.limit = maxOpenMessage
	}
	if info.IsClientStream && info.IsServerStream {
		authenticated.stopping = n.serving.Done()
	}
	return handle(service, authenticated)
}

// forwardOrServe is where a call with one request goes once that is received.
func (n *Node) forwardOrServe(ctx context.Context, req any, info *grpc.UnaryServerInfo, handle grpc.UnaryHandler) (any, error) {
	if m := n.methods[info.FullMethod]; m.forward && !n.isLeader() {
		return n.forward(ctx, callOf(ctx), info.FullMethod, m, req.(proto.Message))
	}
	return handle(ctx, req)
}

// place takes a place for the call and gives what gives it up. Calls that need
// no proof have few places of their own: they must not take those of others. So
// have the calls of nodes: callers who fill one must not keep the others from
// reading.
func (n *Node) place(m method) (leave func(), err error) {
	places := n.calls
	switch {
	case m.open:
		places = n.openCalls
	case m.peer:
		places = n.peerCalls
	}
	select {
	case places <- struct{}{}:
		return func() { <-places }, nil
	default:
		return nil, busy("%d calls are in progress", cap(places))
	}
}

// admit takes a place for the call, and bounds its time unless it is a stream of
// messages.
func (n *Node) admit(ctx context.Context, m method, info *grpc.StreamServerInfo) (context.Context, func(), error) {
	if ctx.Err() != nil {
		return ctx, nil, fault.Unserved(fault.Definite, "the deadline had passed when the call arrived")
	}
	leave, err := n.place(m)
	if err != nil || info.IsClientStream || info.IsServerStream {
		return ctx, leave, err
	}
	timeout := MaxTimeout
	if _, ok := ctx.Deadline(); !ok {
		timeout = DefaultTimeout
	}
	if m.open {
		timeout = maxOpenTime
	}
	ctx, cancel := context.WithTimeout(ctx, timeout)
	return ctx, func() { cancel(); leave() }, nil
}

// enter authenticates the call, unless it is open to all.
func (n *Node) enter(ctx context.Context, m method, now time.Time) (context.Context, *call, error) {
	if m.open {
		return ctx, nil, nil
	}
	c, err := n.authenticate(ctx, now)
	if err != nil {
		return ctx, nil, err
	}
	fromNode := c.node != "" && !c.forwarded
	switch {
	case m.peer && !fromNode:
		return ctx, c, fault.Denied.New("only nodes of the cluster may call this")
	case !m.peer && fromNode:
		return ctx, c, fault.Denied.New("a node calls this only for somebody else")
	case m.foreign:
		if err := n.standing(ctx, c.caller); err != nil {
			return ctx, c, err
		}
	case m.forward && c.requestID == "":
		// Nobody can ask again under an id that nobody knows, but every command
		// has one.
		c.requestID = rand.Text()
	}
	return context.WithValue(ctx, callKey{}, c), c, nil
}

// forward hands the whole call to the leader, in the name of its caller.
func (n *Node) forward(ctx context.Context, c *call, name string, m method, req proto.Message) (any, error) {
	leader := n.leaderID()
	if c.forwarded || leader == "" || leader == n.config.Node {
		return nil, n.notLeader()
	}
	conn, err := n.peers.conn(leader)
	if err != nil {
		return nil, fault.Unserved(fault.Definite, "%v", err)
	}
	caller, err := proto.Marshal(fsm.EncodeCaller(&c.caller))
	if err != nil {
		return nil, err
	}
	out := metadata.NewOutgoingContext(ctx, metadata.Pairs(headerCaller, string(caller), headerRequestID, c.requestID))
	res := m.output.New().Interface()
	var header metadata.MD
	err = fault.FromGRPC(conn.Invoke(out, name, req, res, grpc.Header(&header)))
	if index := header.Get(headerIndex); len(index) > 0 {
		_ = grpc.SetHeader(ctx, metadata.Pairs(headerIndex, index[0]))
	}
	if err != nil {
		return nil, err
	}
	return res, nil
}

// notLeader is the answer to what only the leader can do. It names the leader
// as far as the node knows it.
func (n *Node) notLeader() error {
	leader := n.leaderID()
	if leader == "" || leader == n.config.Node {
		return fault.Unserved(fault.Definite, "the cluster has no leader now")
	}
	f := fault.Unserved(fault.Definite, "this node is not the leader; it is %s", leader).With("leader", leader)
	if address, ok := n.addressOf(leader); ok {
		f = f.With("leader_address", address)
	}
	return f
}

// ended counts and logs a call, and makes sure that what leaves is a fault:
// anything else is logged in full and leaves as an internal error.
func (n *Node) ended(ctx context.Context, name string, c *call, begin time.Time, err error) error {
	took := time.Since(begin)
	kind := "ok"
	if err != nil {
		if _, ok := errors.AsType[*fault.Fault](err); !ok {
			id := rand.Text()
			n.log.LogAttrs(ctx, slog.LevelError, "internal error", slog.String("method", name), slog.String("id", id), slog.Any("error", err))
			err = fault.Unserved(fault.Unknown, "internal error %s", id)
			err.(*fault.Fault).Kind = fault.Internal
		}
		kind = string(fault.KindOf(err))
	}
	n.metrics.called(name, kind, took)
	attrs := []slog.Attr{slog.String("method", name), slog.String("kind", kind), slog.Duration("duration", took)}
	if c != nil {
		attrs = append(attrs, slog.String("caller", string(c.caller.Principal)), slog.String("request_id", c.requestID))
		if c.node != "" {
			attrs = append(attrs, slog.String("node", c.node))
		}
	}
	if err != nil {
		attrs = append(attrs, slog.String("error", err.Error()))
	}
	n.log.LogAttrs(ctx, slog.LevelDebug, "call", attrs...)
	return err
}
