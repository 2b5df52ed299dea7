package server

import (
	"fmt"
	"slices"

	"google.golang.org/grpc"
	"google.golang.org/grpc/encoding"
	encodingproto "google.golang.org/grpc/encoding/proto"
	"google.golang.org/grpc/mem"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"

	"acquired/proto/fault"
	"acquired/server/wire"
)

// registrar registers services whose calls are let in, or refused, before their
// message is received. gRPC receives and decodes the message of a call with one
// request and one answer before it asks anybody; that of a stream it does not. On
// the wire the two are the same.
type registrar struct {
	*grpc.Server
	node *Node
}

func (r registrar) RegisterService(service *grpc.ServiceDesc, implementation any) {
	streams := slices.Clone(service.Streams)
	for _, m := range service.Methods {
		streams = append(streams, r.node.single(m))
	}
	for i := range streams {
		s := &streams[i]
		info := &grpc.StreamServerInfo{
			FullMethod: "/" + service.ServiceName + "/" + s.StreamName, IsClientStream: s.ClientStreams, IsServerStream: s.ServerStreams,
		}
		handle := s.Handler
		s.Handler = func(implementation any, stream grpc.ServerStream) error {
			return r.node.intercept(implementation, stream, info, handle)
		}
	}
	asStreams := *service
	asStreams.Methods, asStreams.Streams = nil, streams
	r.Server.RegisterService(&asStreams, implementation)
}

// single is the stream of a method with one request and one answer.
func (n *Node) single(m grpc.MethodDesc) grpc.StreamDesc {
	return grpc.StreamDesc{StreamName: m.MethodName, Handler: func(implementation any, stream grpc.ServerStream) error {
		res, err := m.Handler(implementation, stream.Context(), stream.RecvMsg, n.forwardOrServe)
		if err != nil {
			return err
		}
		return stream.SendMsg(res)
	}}
}

// codec leaves messages that are received as they are, for decode.
type codec struct{ encoding.CodecV2 }

func newCodec() codec { return codec{encoding.GetCodecV2(encodingproto.Name)} }

// frame is a message that is received and not decoded.
type frame struct{ content mem.Buffer }

func (codec) Unmarshal(data mem.BufferSlice, into any) error {
	f, ok := into.(*frame)
	if !ok {
		return fmt.Errorf("a %T is received without a bound", into)
	}
	f.content = data.MaterializeToBuffer(mem.DefaultBufferPool())
	return nil
}

// decode decodes a message of at most so many bytes, if it does not make too much.
func (f *frame) decode(into any, limit int) error {
	defer f.content.Free()
	m, ok := into.(proto.Message)
	if !ok {
		return fmt.Errorf("a %T is received", into)
	}
	of, b := m.ProtoReflect().Descriptor(), f.content.ReadOnlyData()
	if len(b) > limit {
		return fault.Invalid.New("%s: %d bytes, over the limit of %d", of.Name(), len(b), limit)
	}
	if err := checkElements(string(of.Name()), of, b); err != nil {
		return err
	}
	if err := proto.Unmarshal(b, m); err != nil {
		return fault.Invalid.New("%s: the request is malformed: %v", of.Name(), err)
	}
	return nil
}

// checkElements refuses what makes too much when it is decoded.
func checkElements(name string, of protoreflect.MessageDescriptor, b []byte) error {
	if wire.Exceeds(of, b, MaxElements) {
		return fault.Invalid.New("%s: the request has more messages and elements of lists in it than the limit of %d", name, MaxElements)
	}
	return nil
}
