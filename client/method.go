package client

import (
	"strings"
	"sync"
	"unicode"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"
	"google.golang.org/protobuf/types/descriptorpb"

	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// maxMessage is the size of the largest message in bytes, either way.
const maxMessage = 16 << 20

// A method is what the client must know of one to call it.
type method struct {
	// name is as gRPC has it: "/acquired.v1.Ledger/CreateAsset".
	name string
	// command is what the log calls it: "ledger.create_asset". It is empty for
	// methods that are no command and go as calls of their own.
	command string
	// read is a method without effects.
	read bool
	// unhurried is a method that may take as long as its caller lets it.
	unhurried bool
}

// Writes that no node takes in a batch.
const (
	// A node seals the secret in it before anything of it is in the log.
	putIssuer = "acquired.v1.Identity.PutIssuer"
	// The leader makes a key before it answers.
	rotateDocumentKey = "acquired.v1.Ledger.RotateDocumentKey"
)

// methods keeps what methodOf found. It holds known methods only, so it grows no
// larger than the API.
var methods sync.Map // of string to method

// methodOf finds the method of that name in the API, or gives an Invalid fault.
func methodOf(name string) (method, error) {
	if m, ok := methods.Load(name); ok {
		return m.(method), nil
	}
	full := strings.ReplaceAll(strings.TrimPrefix(name, "/"), "/", ".")
	found, err := protoregistry.GlobalFiles.FindDescriptorByName(protoreflect.FullName(full))
	descriptor, ok := found.(protoreflect.MethodDescriptor)
	if err != nil || !ok || descriptor.ParentFile().Package() != pb.File_acquired_v1_batch_proto.Package() {
		return method{}, fault.Invalid.New("method %q is not in the API of acquired", name)
	}
	m := describeMethod(name, descriptor)
	methods.Store(name, m)
	return m, nil
}

func describeMethod(name string, descriptor protoreflect.MethodDescriptor) method {
	service := descriptor.Parent().Name()
	options, _ := descriptor.Options().(*descriptorpb.MethodOptions)
	m := method{
		name: name,
		read: options.GetIdempotencyLevel() == descriptorpb.MethodOptions_NO_SIDE_EFFECTS,
	}
	switch {
	case m.read || service == "Batch":
	case descriptor.FullName() == putIssuer, descriptor.FullName() == rotateDocumentKey:
	case service == "Cluster":
		// They wait for nodes to come and go, which takes its time.
		m.unhurried = true
	default:
		m.command = strings.ToLower(string(service)) + "." + snakeCase(string(descriptor.Name()))
	}
	return m
}

// snakeCase turns "CreateAsset" into "create_asset".
func snakeCase(name string) string {
	var b strings.Builder
	for i, r := range name {
		if unicode.IsUpper(r) && i > 0 {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// encode gives the bytes of a request, or the fault that no node would take it
// with: a message over the limit, or one that cannot be encoded.
func encode(m method, request any) ([]byte, error) {
	message, ok := request.(proto.Message)
	if !ok {
		return nil, fault.Invalid.New("request of %s is a %T, not a protobuf message", m.name, request)
	}
	if err := checkSize(m, proto.Size(message)); err != nil {
		return nil, err
	}
	body, err := proto.Marshal(message)
	if err != nil {
		return nil, fault.Invalid.New("request of %s: %v", m.name, err)
	}
	return body, nil
}

func checkSize(m method, size int) error {
	if size > maxMessage {
		return fault.Exhausted.New("request of %s is %d bytes, over the limit of %d", m.name, size, maxMessage)
	}
	return nil
}
