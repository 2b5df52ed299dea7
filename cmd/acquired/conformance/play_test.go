package conformance

import (
	"crypto"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ssh"

	"acquired/client"
	"acquired/cmd/acquired/universe"
	pb "acquired/proto/acquired/v1"
	"acquired/server/servertest"
)

// recordedStep is a call, and what was answered.
type recordedStep struct {
	Do         string          `json:"do"`
	As         string          `json:"as"`
	Path       string          `json:"path"`
	Operations []string        `json:"ops"`
	Annotation json.RawMessage `json:"annotation"`
	Directory  bool            `json:"dir"`
	Tag        string          `json:"tag"`
	Unique     string          `json:"unique"`
	// Save is what a credential is called later on.
	Save       string   `json:"save"`
	Credential string   `json:"credential"`
	Key        string   `json:"key"`
	Show       []string `json:"show"`
	Observed   observed `json:"observed"`
}

type observed struct {
	OK     bool   `json:"ok"`
	Result string `json:"result"`
	Valid  *bool  `json:"valid"`
	Claims *struct {
		ID      string   `json:"id"`
		Roles   []string `json:"roles"`
		Seconds int64    `json:"exp_minus_iat_s"`
	} `json:"claims"`
	// Credential is the text of a provider.
	Credential     string               `json:"credential"`
	IsDirectory    bool                 `json:"isDirectory"`
	Children       []string             `json:"children"`
	Roles          []string             `json:"roles"`
	InheritedRoles []string             `json:"inheritedRoles"`
	ACEs           []recordedACE        `json:"aces"`
	Annotations    []recordedAnnotation `json:"annotations"`
}

// play is a scenario that is being played.
type play struct {
	*world
	t          *testing.T
	recordings string
	keys       map[string]sshKey
	// operatorKey is what the universe is loaded with; empty is none.
	operatorKey string
	// tokens are the credentials that were saved.
	tokens map[string]string
}

// sshKey is a key of somebody who logs in.
type sshKey struct {
	signer ssh.Signer
	// line is the public key in the form of an authorized_keys file.
	line string
}

// newKeys makes the keys that the scenarios speak of.
func newKeys(t *testing.T) map[string]sshKey {
	t.Helper()
	ofRSA, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	_, ofEd, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	all := make(map[string]sshKey)
	for name, key := range map[string]crypto.Signer{"id_rsa": ofRSA, "id_ed": ofEd} {
		signer, err := ssh.NewSignerFromSigner(key)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = sshKey{signer, strings.TrimSpace(string(ssh.MarshalAuthorizedKey(signer.PublicKey())))}
	}
	return all
}

// load makes the node hold the universe and nothing else.
func (p *play) load(name string) {
	p.t.Helper()
	p.readUniverse(p.t, p.recordings, name)
	u := p.parse(p.t)
	for i := range u.Nodes {
		if n := &u.Nodes[i]; p.operatorKey != "" && n.Path == "/user/the-operator" {
			n.Annotations = append(n.Annotations, universe.Annotation{Tag: "ssh-pubkey", Text: p.operatorKey})
		}
	}
	req := loading(p.t, u)
	req.Changes = slices.Concat(p.clearing(p.t), req.Changes)
	req.Force = true
	if _, err := p.operator.Acl.Change(p.t.Context(), req); err != nil {
		p.t.Fatalf("load %s: %v", name, err)
	}
}

// caller gives a client for who calls in a step: the bare name of a principal, or
// a credential that was saved.
func (p *play) caller(as string) (*client.Client, error) {
	p.t.Helper()
	if strings.HasPrefix(as, "am://") {
		return p.dial(p.t, as)
	}
	return p.dial(p.t, p.tokens[as])
}

// do makes the call of a step and gives what came of it: "ok" and what was
// shown, "allowed", or the kind of the fault.
func (p *play) do(s *recordedStep) string {
	p.t.Helper()
	if s.As != "" && !strings.HasPrefix(s.As, "am://") && p.tokens[s.As] == "" {
		return "no credential"
	}
	switch s.Do {
	case "ssh":
		return p.login(s)
	case "validate":
		res, err := p.operator.Identity.Inspect(p.t.Context(), &pb.InspectRequest{Token: p.tokens[s.Credential]})
		return result(err, "valid=%t", res.GetValid())
	}
	as, err := p.caller(s.As)
	if err != nil {
		return outcome(err)
	}
	switch s.Do {
	case "allowed":
		return p.allowed(as, s)
	case "details":
		here, err := detailsOf(p.t.Context(), as, s.Path)
		return result(err, "%s", here.fields(s.Show))
	case "vouch":
		credential, err := as.Identity.Vouch(p.t.Context(), &pb.VouchRequest{Subject: s.Path})
		return p.save(s, err, credential.GetToken())
	case "dataset-credential":
		res, err := as.Identity.Delegate(p.t.Context(), &pb.DelegateRequest{Path: s.Path, Operations: s.Operations})
		if res.GetProvider() != "" {
			return result(err, "provider=%s", res.Provider)
		}
		return p.save(s, err, res.GetToken())
	}
	_, err = as.Acl.Change(p.t.Context(), &pb.ChangeRequest{Changes: []*pb.Change{p.change(s)}})
	return outcome(err)
}

// result gives an outcome, and of a good one what it shows.
func result(err error, format string, args ...any) string {
	if err != nil {
		return outcome(err)
	}
	return "ok " + fmt.Sprintf(format, args...)
}

// recorded gives what was observed in the words of do.
func (p *play) recorded(s *recordedStep) string {
	o := &s.Observed
	switch {
	case !o.OK:
		return refused
	case o.Result != "":
		return o.Result
	case o.Valid != nil:
		return fmt.Sprintf("ok valid=%t", *o.Valid)
	case o.Claims != nil:
		return "ok " + claims(o.Claims.ID, o.Claims.Seconds, o.Claims.Roles)
	case o.Credential != "":
		return "ok provider=" + o.Credential
	case s.Do == "details":
		for i := range o.Annotations {
			o.Annotations[i].Data = p.filled(o.Annotations[i].Data)
		}
		return "ok " + recordedDetails{
			IsDirectory: o.IsDirectory, Children: o.Children, Roles: o.Roles, InheritedRoles: o.InheritedRoles, ACEs: o.ACEs, Annotations: o.Annotations,
		}.fields(s.Show)
	}
	return "ok"
}

// filled gives a text with the public key that it leaves open.
func (p *play) filled(text string) string {
	if strings.HasPrefix(text, "<ssh public key") {
		return p.keys["id_rsa"].line
	}
	return text
}

// allowed says whether the caller may do all the operations.
func (p *play) allowed(as *client.Client, s *recordedStep) string {
	p.t.Helper()
	for _, o := range s.Operations {
		res, err := as.Acl.Check(p.t.Context(), &pb.CheckRequest{Operation: o, Path: s.Path})
		if err != nil {
			return outcome(err)
		}
		if !res.Allowed {
			return "denied"
		}
	}
	return "allowed"
}

// login shows the key of the step.
func (p *play) login(s *recordedStep) string {
	p.t.Helper()
	stranger, err := p.dial(p.t, "")
	if err != nil {
		p.t.Fatal(err)
	}
	signer := p.keys[s.Key].signer
	req := &pb.LoginRequest{Principal: s.Path, Unix: time.Now().Unix(), Nonce: make([]byte, 16), PublicKey: signer.PublicKey().Marshal()}
	rand.Read(req.Nonce)
	algorithm := signer.PublicKey().Type()
	if algorithm == ssh.KeyAlgoRSA {
		algorithm = ssh.KeyAlgoRSASHA512
	}
	statement := client.LoginStatement(servertest.ClusterID, req.Principal, req.Unix, req.Nonce)
	signature, err := signer.(ssh.AlgorithmSigner).SignWithAlgorithm(rand.Reader, statement, algorithm)
	if err != nil {
		p.t.Fatal(err)
	}
	req.Signature = ssh.Marshal(signature)
	credential, err := stranger.Identity.Login(p.t.Context(), req)
	return p.save(s, err, credential.GetToken())
}

// save keeps a credential, and gives what it shows.
func (p *play) save(s *recordedStep, err error, token string) string {
	p.t.Helper()
	if err != nil {
		return outcome(err)
	}
	p.tokens[s.Save] = token
	shown, err := p.operator.Identity.Inspect(p.t.Context(), &pb.InspectRequest{Token: token})
	if err != nil || !shown.Valid {
		p.t.Fatalf("the credential of %s is not good: %v %s", s.Path, err, shown.GetReason())
	}
	var roles []string
	for _, role := range shown.Roles {
		roles = append(roles, oldName(role))
	}
	return "ok " + claims(oldName(shown.Subject), shown.ExpiresUnix-shown.IssuedUnix, roles)
}

// claims gives what a credential says. One that ends with another is seconds
// shorter, so minutes are rounded up.
func claims(subject string, seconds int64, roles []string) string {
	return fmt.Sprintf("subject=%s minutes=%d roles=%s", subject, (seconds+59)/60, roles)
}

// fields gives some of the details; none is the children.
func (d recordedDetails) fields(names []string) string {
	if len(names) == 0 {
		names = []string{"children"}
	}
	var all []string
	for _, name := range names {
		all = append(all, name+"="+d.field(name))
	}
	return strings.Join(all, " ")
}

func (d recordedDetails) field(name string) string {
	var list []string
	switch name {
	case "isDirectory":
		return strconv.FormatBool(d.IsDirectory)
	case "children":
		list = d.Children
	case "roles":
		list = d.Roles
	case "inheritedRoles":
		list = d.InheritedRoles
	case "aces":
		for _, ace := range d.ACEs {
			list = append(list, ace.text())
		}
	case "annotations":
		for _, a := range d.Annotations {
			if a.Tag != "principal" { // a mark that was not shown
				list = append(list, fmt.Sprintf("%s %q %s", a.Tag, a.Data, a.Version))
			}
		}
	}
	return fmt.Sprint(slices.Sorted(slices.Values(list)))
}

// change gives the change of the tree that a step makes.
func (p *play) change(s *recordedStep) *pb.Change {
	p.t.Helper()
	switch s.Do {
	case "create":
		return &pb.Change{Change: &pb.Change_Create{Create: &pb.CreateNode{Path: s.Path, Directory: s.Directory}}}
	case "delete":
		return removal(s.Path)
	case "remove":
		return takingOff(s.Path, tagOf(s.Tag), p.numbered(s.Path, number(p.t, s.Unique)))
	case "annotate":
		return p.annotating(s)
	}
	p.t.Fatalf("what is it to %s?", s.Do)
	return nil
}

// numbers are clauses of the universes by the number that they had there, which is
// in no file: each is the only one for its operation on its node.
var numbers = map[uint64]string{79234067: "View"}

// numbered gives the number of an annotation here.
func (p *play) numbered(path string, unique uint64) uint64 {
	p.t.Helper()
	operation, ok := numbers[unique]
	if !ok {
		return unique
	}
	res, err := p.operator.Acl.Describe(p.t.Context(), &pb.DescribeRequest{Path: path})
	if err != nil {
		p.t.Fatal(err)
	}
	for _, a := range res.Annotations {
		if a.GetClause().GetOperation() == operation {
			return a.Unique
		}
	}
	p.t.Fatalf("%s has no clause for %s", path, operation)
	return 0
}

// tagOf gives the tag that is in place of one of Access Manager.
func tagOf(tag string) string {
	if tag == "ace" {
		return "clause"
	}
	return tag
}

// oldAnnotation is an annotation as Access Manager takes it.
type oldAnnotation struct {
	Tag string `json:"tag"`
	// Operation is a name or a number.
	Operation any  `json:"op"`
	Local     bool `json:"local"`
	ACLs      []struct {
		Roles []string `json:"roles"`
	} `json:"acls"`
	Role    string `json:"role"`
	Data    string `json:"data"`
	Unique  string `json:"unique"`
	Version string `json:"version"`
	Start   string `json:"startMillis"`
	End     string `json:"endMillis"`
}

func (p *play) annotating(s *recordedStep) *pb.Change {
	p.t.Helper()
	var old oldAnnotation
	if err := json.Unmarshal(s.Annotation, &old); err != nil {
		p.t.Fatal(err)
	}
	a := &pb.Annotation{
		Tag: tagOf(old.Tag), Unique: number(p.t, old.Unique), StartUnixNanos: nanos(p.t, old.Start), EndUnixNanos: nanos(p.t, old.End),
	}
	switch old.Tag {
	case "ace":
		clause := &pb.Clause{Operation: fmt.Sprint(old.Operation), Local: old.Local, EndWidens: old.End != ""}
		for _, set := range old.ACLs {
			one := &pb.RoleSet{}
			for _, role := range set.Roles {
				one.Roles = append(one.Roles, &pb.RoleName{Path: role})
			}
			clause.Sets = append(clause.Sets, one)
		}
		a.Content = &pb.Annotation_Clause{Clause: clause}
	case "applied-role":
		a.Content = &pb.Annotation_Role{Role: &pb.RoleName{Path: old.Role}}
	default:
		a.Content = &pb.Annotation_Text{Text: p.filled(old.Data)}
	}
	written := writing(s.Path, a)
	written.GetAnnotate().IfVersion = int64(number(p.t, old.Version))
	return written
}

// number reads a number that may be missing. A negative one is what it would be on
// the wire.
func number(t *testing.T, s string) uint64 {
	t.Helper()
	if s == "" {
		return 0
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return uint64(n)
}

// nanos gives the nanoseconds of milliseconds. Times behind the last there is are
// the last.
func nanos(t *testing.T, millis string) int64 {
	t.Helper()
	n := int64(number(t, millis))
	if n > math.MaxInt64/1_000_000 {
		return math.MaxInt64
	}
	return n * 1_000_000
}
