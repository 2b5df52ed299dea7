package server_test

import (
	"bytes"
	"cmp"
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"encoding/binary"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server"
	"acquired/server/pki"
	"acquired/server/servertest"
	"acquired/server/token"
)

// wire is a cluster as seen by somebody who does not use the Go client.
type wire struct {
	cluster *servertest.Cluster
	node    string
	nobody  *grpc.ClientConn // shows no certificate
	// operator shows one.
	operator *grpc.ClientConn
	// Credentials of who may do nothing, and of who may read.
	powerless, reader string
}

// TestBadWire: what no Go client would send is refused as well, and no text of
// a stranger gets out of its place in the log.
func TestBadWire(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var logs hostileLogs
		cluster, operator := badInputCluster(t, servertest.Options{Configure: logs.configure})
		govern(t, cluster)
		w := &wire{
			cluster:   cluster,
			powerless: workload(t, cluster, "/workload/powerless"),
			reader:    workload(t, cluster, "/workload/reader", "View", "Read"),
		}
		for _, w.node = range []string{leaderOf(t, operator), followerOf(t, cluster, operator)} {
			pair, err := cluster.Authority().IssueOperator("operator", time.Now())
			if err != nil {
				t.Fatal(err)
			}
			w.nobody, w.operator = wireTo(t, cluster, w.node, nil), wireTo(t, cluster, w.node, &pair)
			w.badCredentials(t).check(t, operator)
			w.badCallers().check(t, operator)
			w.badHeaders().check(t, operator)
			w.badMessages().check(t, operator)
			w.badBatches().check(t, operator)
		}
		logs.check(t, w.powerless, w.reader)
	})
}

// payment is a write that an operator could do.
func payment() *pb.TransferRequest {
	return &pb.TransferRequest{Transfers: []*pb.Transfer{
		{Id: "wire", Debit: "/account/bank", Credit: "/account/a", Amount: "1.00"},
	}}
}

func transferOn(conn *grpc.ClientConn, pairs ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := pb.NewLedgerClient(conn).Transfer(withHeaders(ctx, pairs...), payment())
		return err
	}
}

func balanceOn(conn *grpc.ClientConn, pairs ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		_, err := pb.NewLedgerClient(conn).Balance(withHeaders(ctx, pairs...), &pb.BalanceRequest{Path: "/account/a"})
		return err
	}
}

func bearer(token string) []string { return []string{"authorization", "Bearer " + token} }

// signed gives a credential of a cluster that a key signed at a time.
func signed(t *testing.T, cluster string, key token.SigningKey, at time.Time) string {
	t.Helper()
	text, err := token.Sign(cluster, key, token.Claims{
		ID: token.NewID(), Subject: "/workload/reader", Method: "vouch", IssuedAt: at.Truncate(time.Second),
		ExpiresAt: at.Truncate(time.Second).Add(time.Hour), Born: 1,
	})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// newSigningKey gives a key that no cluster has.
func newSigningKey(t *testing.T) token.SigningKey {
	t.Helper()
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return token.SigningKey{ID: token.KeyID(public), Private: private}
}

func (w *wire) badCredentials(t *testing.T) badCalls {
	t.Helper()
	foreignAuthority, err := pki.NewAuthority(servertest.ClusterID, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pair, err := foreignAuthority.IssueOperator("operator", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	own, err := w.cluster.Node(w.node).SigningKey()
	if err != nil {
		t.Fatal(err)
	}
	stranger, now, foreign, good := wireTo(t, w.cluster, w.node, &pair), time.Now(), newSigningKey(t), w.reader
	const unauthenticated = fault.Unauthenticated
	return badCalls{
		{"nothing", transferOn(w.nobody), unauthenticated, []string{"no certificate and no token"}},
		{"nothing, to read", balanceOn(w.nobody), unauthenticated, []string{"no certificate and no token"}},
		{"certificate of another authority", transferOn(stranger), fault.Unavailable, nil},
		{"token of another key", transferOn(w.nobody, bearer(signed(t, servertest.ClusterID, foreign, now))...), unauthenticated, []string{"a key that is not known here"}},
		{"token of another cluster", transferOn(w.nobody, bearer(signed(t, "other", own, now))...), unauthenticated, []string{"issuer is not acquired:test"}},
		{"token that expired", transferOn(w.nobody, bearer(signed(t, servertest.ClusterID, own, now.Add(-2*time.Hour)))...), unauthenticated, []string{"expired at"}},
		{"token of tomorrow", transferOn(w.nobody, bearer(signed(t, servertest.ClusterID, own, now.Add(24*time.Hour)))...), unauthenticated, []string{"in the future"}},
		{"token of who was never there", transferOn(w.nobody, bearer(signed(t, servertest.ClusterID, own, now))...), unauthenticated, []string{"gone"}},
		{"token cut short", transferOn(w.nobody, bearer(good[:len(good)-2])...), unauthenticated, []string{"signature"}},
		{"no token", transferOn(w.nobody, bearer("x")...), unauthenticated, []string{"three parts"}},
		{"long token", transferOn(w.nobody, bearer(strings.Repeat("x", 16<<10+1))...), unauthenticated, []string{"16385 bytes", "limit of 16384"}},
		{"password", transferOn(w.nobody, "authorization", "Basic cm9vdDpyb290"), unauthenticated, []string{"not a bearer token"}},
		{"two tokens", transferOn(w.nobody, append(bearer(good), bearer(good)...)...), unauthenticated, []string{"once"}},
		{"token and certificate", transferOn(w.operator, bearer(good)...), unauthenticated, []string{"once", "certificate", "token"}},
	}
}

// badCallers are proved to be who they are, and ask for more than that gives.
func (w *wire) badCallers() badCalls {
	powerless, reader := bearer(w.powerless), bearer(w.reader)
	forged, err := proto.Marshal(&statev1.Caller{Principal: "/system", Operator: true})
	if err != nil {
		panic(err)
	}
	const header = "acquired-caller-bin"
	all := badCalls{
		{"token without a role", transferOn(w.nobody, powerless...), fault.NotFound, []string{"/account/bank"}},
		{"token without a role, to read", balanceOn(w.nobody, powerless...), fault.NotFound, []string{"/account/a"}},
		{"token with another role", transferOn(w.nobody, reader...), fault.Denied, []string{"/workload/reader", "Spend", "/account/bank"}},
		{"workload that says it is the cluster", transferOn(w.nobody, append(powerless, header, string(forged))...), fault.NotFound, []string{"/account/bank"}},
		{"nobody who says it is the cluster", transferOn(w.nobody, header, string(forged)), fault.Unauthenticated, nil},
		{"operator who says it is the cluster", w.tick(header, string(forged)), fault.Denied, []string{"only the cluster itself"}},
	}
	for _, method := range peerMethods() {
		all = append(all,
			badCall{method + " by an operator", w.invoke(w.operator, method), fault.Denied, []string{"only nodes"}},
			badCall{method + " by a workload", w.invoke(w.nobody, method, reader...), fault.Denied, []string{"only nodes"}},
			badCall{method + " by nobody", w.invoke(w.nobody, method), fault.Unauthenticated, nil},
			badCall{method + " by an operator who says it is the cluster", w.invoke(w.operator, method, header, string(forged)), fault.Denied, []string{"only nodes"}},
		)
	}
	return all
}

func peerMethods() (names []string) {
	for _, m := range statev1.Peer_ServiceDesc.Methods {
		names = append(names, "/"+statev1.Peer_ServiceDesc.ServiceName+"/"+m.MethodName)
	}
	return names
}

// invoke calls a method with an empty message.
func (w *wire) invoke(conn *grpc.ClientConn, method string, pairs ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		return conn.Invoke(withHeaders(ctx, pairs...), method, &pb.StatusRequest{}, &pb.StatusResponse{})
	}
}

func (w *wire) badHeaders() badCalls {
	return badCalls{
		{"strange read", balanceOn(w.operator, "acquired-read", "nonsense"), fault.Invalid, []string{"acquired-read", `"nonsense"`, "seen, latest or any"}},
		{"strange read of a write", transferOn(w.operator, "acquired-read", "nonsense"), fault.Invalid, []string{"acquired-read"}},
		{"long read", balanceOn(w.operator, "acquired-read", strings.Repeat("x", 10_000)), fault.Invalid, []string{"acquired-read"}},
		{"strange index", balanceOn(w.operator, "acquired-seen", "abc"), fault.Invalid, []string{"acquired-seen", `"abc"`, "index"}},
		{"negative index", balanceOn(w.operator, "acquired-seen", "-1"), fault.Invalid, []string{"acquired-seen", `"-1"`}},
		{"index of the far future", balanceOn(w.operator, "acquired-seen", "18446744073709551615"), fault.Unavailable, []string{"in time"}},
		{"request id of 65 bytes", transferOn(w.operator, "acquired-request-id", strings.Repeat("r", 65)), fault.Invalid, []string{"request id", "1 to 64"}},
		{"request id with a space", transferOn(w.operator, "acquired-request-id", "r 2"), fault.Invalid, []string{`"r 2"`, "without spaces"}},
		{"empty request id", transferOn(w.operator, "acquired-request-id", ""), fault.Invalid, []string{`""`, "1 to 64"}},
		{"hostile request id", w.hostileRequestID, fault.Conflict, []string{"another request"}},
		{"deadline that passed on the way", w.late, fault.Unavailable, []string{"deadline"}},
	}
}

// hostileRequestID is a request id that is allowed: it must do no harm either.
func (w *wire) hostileRequestID(ctx context.Context) error {
	ctx = withHeaders(ctx, "acquired-request-id", `"},{"level":"ERROR","msg":"forged"}`)
	request := payment()
	request.Transfers[0].Amount = "0.0000000001"
	if _, err := pb.NewLedgerClient(w.operator).Transfer(ctx, request); err != nil && status.Code(err) != codes.InvalidArgument && status.Code(err) != codes.Aborted {
		return err
	}
	request.Transfers[0].Amount = "0.0000000002"
	_, err := pb.NewLedgerClient(w.operator).Transfer(ctx, request)
	return err
}

// late sends a call whose time is over, which no gRPC client would send.
func (w *wire) late(ctx context.Context) error {
	transport := &http.Transport{
		ForceAttemptHTTP2: true, DialContext: dialContext(w.cluster, w.node),
		TLSClientConfig: &tls.Config{RootCAs: roots(w.cluster), ServerName: pki.ServerName(servertest.ClusterID)},
	}
	defer transport.CloseIdleConnections()
	body, err := proto.Marshal(payment())
	if err != nil {
		return err
	}
	frame := append(binary.BigEndian.AppendUint32([]byte{0}, uint32(len(body))), body...)
	url := "https://" + servertest.Address(w.node) + pb.Ledger_Transfer_FullMethodName
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(frame))
	if err != nil {
		return err
	}
	req.Header = http.Header{
		"Content-Type": {"application/grpc"}, "Te": {"trailers"}, "Grpc-Timeout": {"0n"}, "Authorization": {"Bearer " + w.reader},
	}
	res, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if _, err := io.Copy(io.Discard, res.Body); err != nil {
		return err
	}
	code, err := strconv.Atoi(cmp.Or(res.Trailer.Get("Grpc-Status"), res.Header.Get("Grpc-Status")))
	if err != nil {
		return err
	}
	return status.Error(codes.Code(code), cmp.Or(res.Trailer.Get("Grpc-Message"), res.Header.Get("Grpc-Message")))
}

func (w *wire) badMessages() badCalls {
	unknown := payment()
	unknown.ProtoReflect().SetUnknown(protowire.AppendVarint(protowire.AppendTag(nil, 1000, protowire.VarintType), 1))
	return badCalls{
		{"field of the future", func(ctx context.Context) error {
			_, err := pb.NewLedgerClient(w.operator).Transfer(ctx, unknown)
			return err
		}, fault.Invalid, []string{"ledger.transfer", "fields that this release does not know"}},
		{"17 MiB", func(ctx context.Context) error {
			_, err := pb.NewLedgerClient(w.operator).CreateAsset(ctx, &pb.CreateAssetRequest{Code: strings.Repeat("x", 17<<20)})
			return err
		}, fault.Exhausted, []string{"16777216"}},
		{"no message", func(ctx context.Context) error {
			return w.operator.Invoke(ctx, pb.Ledger_Transfer_FullMethodName, []byte("\xff\xff"), &pb.TransferResponse{}, grpc.ForceCodec(rawCodec{}))
		}, fault.Invalid, []string{"TransferRequest", "malformed"}},
		{"method that is not there", w.invoke(w.operator, "/acquired.v1.Ledger/Mint"), fault.Internal, []string{"unknown method", "Mint"}},
		{"service that is not there", w.invoke(w.operator, "/acquired.v1.Bank/Rob"), fault.Internal, []string{"unknown service", "Bank"}},
	}
}

// rawCodec sends bytes as they are.
type rawCodec struct{}

func (rawCodec) Name() string                    { return "proto" }
func (rawCodec) Marshal(v any) ([]byte, error)   { return v.([]byte), nil }
func (rawCodec) Unmarshal(b []byte, v any) error { return proto.Unmarshal(b, v.(proto.Message)) }

// batch executes calls and gives the refusal of the batch, or else that of its
// last call.
func (w *wire) batch(ctx context.Context, calls ...*pb.BatchCall) error {
	res, err := pb.NewBatchClient(w.operator).Execute(ctx, &pb.BatchRequest{Calls: calls})
	if err != nil {
		return err
	}
	f := res.Answers[len(res.Answers)-1].Fault
	if f == nil {
		return nil
	}
	return &fault.Fault{Kind: fault.Kind(f.Kind), Message: f.Message, Details: f.Details}
}

func (w *wire) tick(pairs ...string) func(context.Context) error {
	return func(ctx context.Context) error {
		return w.batch(withHeaders(ctx, pairs...), &pb.BatchCall{Command: "system.tick", RequestId: "tick"})
	}
}

func (w *wire) badBatches() badCalls {
	send := func(calls ...*pb.BatchCall) func(context.Context) error {
		return func(ctx context.Context) error { return w.batch(ctx, calls...) }
	}
	format, err := proto.Marshal(&statev1.RaiseFormatRequest{Format: 1 << 30})
	if err != nil {
		panic(err)
	}
	named := func(id string) func(context.Context) error {
		return send(&pb.BatchCall{Command: "ledger.transfer", RequestId: id})
	}
	return badCalls{
		{"batch of nothing", send(), fault.Invalid, []string{"0 calls", "1 to 1024"}},
		{"batch of 1025", send(make([]*pb.BatchCall, 1025)...), fault.Invalid, []string{"1025 calls", "1 to 1024"}},
		{"command that is not there", send(&pb.BatchCall{Command: "ledger.mint", RequestId: "r"}), fault.Invalid, []string{`"ledger.mint"`}},
		{"query as a command", send(&pb.BatchCall{Command: "ledger.balance", RequestId: "r"}), fault.Invalid, []string{`"ledger.balance"`}},
		{"hostile command", send(&pb.BatchCall{Command: hostile, RequestId: "r"}), fault.Invalid, []string{"no command"}},
		{"tick", w.tick(), fault.Denied, []string{"only the cluster itself"}},
		{"format of the future", send(&pb.BatchCall{Command: "system.raise_format", RequestId: "raise", Body: format}), fault.Denied, []string{"only the cluster itself"}},
		{"document key of a stranger", send(&pb.BatchCall{Command: "ledger.put_document_key", RequestId: "key"}), fault.Denied, []string{"only the cluster itself"}},
		{"verification as a command", send(&pb.BatchCall{Command: "ledger.verify", RequestId: "r"}), fault.Invalid, []string{`"ledger.verify"`}},
		{"op of a step that is none", send(&pb.BatchCall{Command: "ledger.op", RequestId: "op", Body: []byte("\x0a\x00")}), fault.Invalid, []string{"step 0"}},
		{"call without a request id", named(""), fault.Invalid, []string{"request id", "1 to 64"}},
		{"call with a long request id", named(strings.Repeat("r", 65)), fault.Invalid, []string{"request id", "1 to 64"}},
		{"call with a line break in its request id", named("r\n2"), fault.Invalid, []string{`"r\n2"`, "1 to 64"}},
		{"call without a message", send(&pb.BatchCall{Command: "ledger.transfer", RequestId: "r", Body: []byte("\xff")}), fault.Invalid, []string{"ledger.transfer", "malformed"}},
		{"call with a field of the future", send(&pb.BatchCall{
			Command: "ledger.transfer", RequestId: "r", Body: protowire.AppendVarint(protowire.AppendTag(nil, 1000, protowire.VarintType), 1),
		}), fault.Invalid, []string{"ledger.transfer", "fields that this release does not know"}},
	}
}

// hostileLogs keeps all that nodes log, in both forms.
type hostileLogs struct {
	mu         sync.Mutex
	json, text bytes.Buffer
}

func (l *hostileLogs) configure(c *server.Config) {
	everything := &slog.HandlerOptions{Level: slog.LevelDebug}
	c.Log = slog.New(slog.NewMultiHandler(
		slog.NewJSONHandler(&lockedWriter{&l.mu, &l.json}, everything), slog.NewTextHandler(&lockedWriter{&l.mu, &l.text}, everything)))
}

type lockedWriter struct {
	mu *sync.Mutex
	to *bytes.Buffer
}

func (w *lockedWriter) Write(b []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.to.Write(b)
}

// check: each line is one that a node wrote, nothing went wrong inside, and no
// secret was written down.
func (l *hostileLogs) check(t *testing.T, secrets ...string) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	calls := 0
	for line := range strings.Lines(l.json.String()) {
		var record struct {
			Message string `json:"msg"`
			Self    string `json:"self"`
		}
		if err := json.Unmarshal([]byte(line), &record); err != nil || record.Self == "" || record.Message == "forged" {
			t.Errorf("a line of the log is %q (%v)", line, err)
		}
		switch record.Message {
		case "call":
			calls++
		case "internal error":
			t.Errorf("something went wrong: %s", line)
		}
	}
	if calls < 100 {
		t.Errorf("the log has %d calls, want 100 or more", calls)
	}
	for line := range strings.Lines(l.text.String()) {
		if !strings.HasPrefix(line, "time=") || strings.ContainsAny(strings.TrimSuffix(line, "\n"), "\n\r\x1b") {
			t.Errorf("a line of the log is %q", line)
		}
	}
	for _, secret := range secrets {
		if strings.Contains(l.json.String(), secret) || strings.Contains(l.text.String(), secret) {
			t.Error("a token is in the log")
		}
	}
}
