package identity

import (
	"slices"
	"strings"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	statev1 "acquired/proto/acquired/state/v1"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// RecordIssuer trusts an outside issuer, as a node has checked it: its secret, if
// it has one, is sealed.
var RecordIssuer = command.Alone(command.Define(&Commands, "identity.record_issuer", mayRecordIssuer, recordIssuer))

// RemoveIssuer ends the trust.
var RemoveIssuer = command.Define(&Commands, "identity.remove_issuer", mayRemoveIssuer, removeIssuer)

// Issuers lists the trusted issuers.
var Issuers = command.DefineQuery(&Commands, "identity.issuers", maySeeIssuers, listIssuers)

// Issuer is an outside issuer of JWTs that is trusted.
type Issuer struct {
	Name, Audience, Algorithm string
	// Subject is the path of a principal; its segment "{sub}" stands for the
	// subject of a token.
	Subject string
	Scopes  []Scope
	// Keys is a JWK Set, or the sealed secret.
	Keys []byte
	// RootKey is the id of the key under which the secret is sealed; empty for a
	// JWK Set.
	RootKey string
	// Index of the command that wrote it. A token that was checked against the
	// issuer of another index is not accepted.
	Index uint64
}

// Scope is what a scope of a token gives.
type Scope struct {
	Name  string
	Roles []path.Path
}

// Limits of issuers.
const (
	MaxIssuers     = 256
	MaxIssuerName  = 255
	MaxScopes      = 128
	MaxScopeRoles  = 32
	MaxIssuerBytes = 64 << 10
	// subjectMark is the segment of a template.
	subjectMark = "{sub}"
)

var issuers = kv.NewTable(&Schema, "identity/issuer", kv.Codec[Issuer]{Append: appendIssuer, Decode: decodeIssuer},
	func(i Issuer) kv.StringKey { return kv.StringKey(i.Name) }, kv.Resident)

func appendIssuer(b []byte, i Issuer) []byte {
	for _, s := range [...]string{i.Name, i.Audience, i.Algorithm, i.Subject, i.RootKey} {
		b = kv.AppendString(b, s)
	}
	b = kv.AppendUint(kv.AppendString(b, i.Keys), i.Index)
	b = kv.AppendUint(b, uint64(len(i.Scopes)))
	for _, scope := range i.Scopes {
		b = kv.AppendUint(kv.AppendString(b, scope.Name), uint64(len(scope.Roles)))
		for _, role := range scope.Roles {
			b = kv.AppendString(b, role)
		}
	}
	return b
}

func decodeIssuer(b []byte) (Issuer, error) {
	d := kv.NewDecoder(b)
	i := Issuer{Name: d.String(), Audience: d.String(), Algorithm: d.String(), Subject: d.String(), RootKey: d.String()}
	i.Keys, i.Index = d.Bytes(), d.Uint()
	for range min(d.Uint(), MaxScopes) {
		scope := Scope{Name: d.String()}
		for range min(d.Uint(), MaxScopeRoles) {
			scope.Roles = append(scope.Roles, path.Path(d.String()))
		}
		i.Scopes = append(i.Scopes, scope)
	}
	return i, d.Err()
}

// mayRecordIssuer: who administers everything, and may vouch for those whom the
// issuer will vouch for, and may give the roles that it will give.
func mayRecordIssuer(_ kv.Reader, req *statev1.RecordIssuerRequest) ([]command.Need, error) {
	i, err := issuerOf(req)
	if err != nil {
		return nil, err
	}
	needs := []command.Need{
		{Operation: command.Admin, Path: path.Root},
		{Operation: command.VouchFor, Path: subjectFolder(i.Subject)},
	}
	for _, scope := range i.Scopes {
		for _, role := range scope.Roles {
			needs = append(needs, command.Need{Operation: command.ApplyRole, Path: role})
		}
	}
	return needs, nil
}

func issuerOf(req *statev1.RecordIssuerRequest) (Issuer, error) {
	in := req.GetIssuer()
	i := Issuer{
		Name: in.GetIssuer(), Audience: in.GetAudience(), Algorithm: in.GetAlgorithm(), Subject: in.GetSubject(),
		Keys: req.Keys, RootKey: req.RootKey,
	}
	if n := len(i.Name); n < 1 || n > MaxIssuerName || strings.ContainsRune(i.Name, 0) {
		return i, fault.Invalid.New("the name of an issuer is 1 to %d bytes without zero bytes, this is %d", MaxIssuerName, n)
	}
	if n := len(i.Audience); n < 1 || n > MaxIssuerName {
		return i, fault.Invalid.New("the audience of an issuer is 1 to %d bytes, not %d", MaxIssuerName, n)
	}
	if n := len(i.Keys); n < 1 || n > MaxIssuerBytes {
		return i, fault.Invalid.New("the keys of an issuer are 1 to %d bytes, not %d", MaxIssuerBytes, n)
	}
	if !slices.Contains([]string{"RS256", "ES256", "EdDSA", "HS256"}, i.Algorithm) {
		return i, fault.Invalid.New("algorithm %.20q: it is one of RS256, ES256, EdDSA and HS256", i.Algorithm)
	}
	if _, err := i.Principal("x"); err != nil || len(i.Subject) > path.MaxLength || strings.Count(i.Subject, subjectMark) != 1 || !strings.Contains(i.Subject+"/", "/"+subjectMark+"/") {
		return i, fault.Invalid.New("subject %.80q: it is a path below %s or %s, of which one segment is %s", i.Subject, tree.Users, tree.Workloads, subjectMark)
	}
	return i, i.readScopes(in.GetScopes())
}

func (i *Issuer) readScopes(scopes []*pb.ScopeRoles) error {
	if len(scopes) > MaxScopes {
		return fault.Invalid.New("%d scopes: an issuer has at most %d", len(scopes), MaxScopes)
	}
	for _, s := range scopes {
		if len(s.Scope) < 1 || len(s.Scope) > MaxIssuerName || len(s.Roles) > MaxScopeRoles {
			return fault.Invalid.New("a scope is 1 to %d bytes and gives at most %d roles", MaxIssuerName, MaxScopeRoles)
		}
		scope := Scope{Name: s.Scope}
		for _, name := range s.Roles {
			role, err := path.Parse(name)
			if err != nil {
				return err
			}
			if !tree.Roles.Covers(role) || role == tree.Roles {
				return fault.Invalid.New("a role is a path below %s, not %s", tree.Roles, role)
			}
			scope.Roles = append(scope.Roles, role)
		}
		i.Scopes = append(i.Scopes, scope)
	}
	return nil
}

// Principal gives the principal that a subject of the issuer's tokens is. The
// subject must be one segment of a path.
func (i *Issuer) Principal(subject string) (path.Path, error) {
	if subject == "" || strings.Contains(subject, "/") {
		return "", fault.Invalid.New("the subject is no segment of a path")
	}
	return ParsePrincipal(strings.Replace(i.Subject, subjectMark, subject, 1))
}

// subjectFolder is the directory of all that a template can name.
func subjectFolder(template string) path.Path {
	folder, _, _ := strings.Cut(template, "/"+subjectMark)
	p, err := path.Parse(folder)
	if err != nil {
		panic("identity: the template of an issuer was not checked")
	}
	return p
}

func recordIssuer(tx *command.Tx, req *statev1.RecordIssuerRequest) (*pb.PutIssuerResponse, error) {
	i, err := issuerOf(req)
	if err != nil {
		return nil, err
	}
	count := 0
	for other := range issuers.All(tx) {
		if other.Name != i.Name {
			count++
		}
	}
	if count >= MaxIssuers {
		return nil, fault.Exhausted.New("there are %d issuers, which is the most", count)
	}
	i.Index = tx.Index
	issuers.Put(tx.Tx, i)
	return &pb.PutIssuerResponse{Index: tx.Index}, nil
}

func mayRemoveIssuer(_ kv.Reader, req *pb.RemoveIssuerRequest) ([]command.Need, error) {
	if n := len(req.Issuer); n < 1 || n > MaxIssuerName {
		return nil, fault.Invalid.New("the name of an issuer is 1 to %d bytes, not %d", MaxIssuerName, n)
	}
	return []command.Need{{Operation: command.Admin, Path: path.Root}}, nil
}

func removeIssuer(tx *command.Tx, req *pb.RemoveIssuerRequest) (*pb.RemoveIssuerResponse, error) {
	if _, ok := issuers.Get(tx, kv.StringKey(req.Issuer)); !ok {
		return nil, fault.NotFound.New("no issuer %q", req.Issuer)
	}
	issuers.Delete(tx.Tx, kv.StringKey(req.Issuer))
	return &pb.RemoveIssuerResponse{Index: tx.Index}, nil
}

func maySeeIssuers(kv.Reader, *pb.IssuersRequest) ([]command.Need, error) {
	return []command.Need{{Operation: command.Read, Path: path.Root}}, nil
}

func listIssuers(v *command.Reading, _ *pb.IssuersRequest) (*pb.IssuersResponse, error) {
	res := &pb.IssuersResponse{}
	for i := range issuers.All(v) {
		shown := &pb.Issuer{Issuer: i.Name, Audience: i.Audience, Algorithm: i.Algorithm, Subject: i.Subject}
		for _, scope := range i.Scopes {
			s := &pb.ScopeRoles{Scope: scope.Name}
			for _, role := range scope.Roles {
				s.Roles = append(s.Roles, string(role))
			}
			shown.Scopes = append(shown.Scopes, s)
		}
		res.Issuers = append(res.Issuers, shown)
	}
	return res, nil
}

// IssuerNamed gives the trusted issuer of the name.
func IssuerNamed(r kv.Reader, name string) (Issuer, bool) {
	if name == "" || len(name) > MaxIssuerName || strings.ContainsRune(name, 0) {
		return Issuer{}, false
	}
	return issuers.Get(r, kv.StringKey(name))
}

func issuerStands(r kv.Reader, caller *command.Caller) bool {
	i, ok := IssuerNamed(r, caller.Issuer)
	return ok && i.Index == caller.IssuerIndex
}

// scopeRoles gives the roles that the scopes of the caller's token give.
func scopeRoles(r kv.Reader, caller *command.Caller) (names []string) {
	if len(caller.Scopes) == 0 {
		return nil
	}
	i, _ := IssuerNamed(r, caller.Issuer)
	for _, scope := range i.Scopes {
		if !slices.Contains(caller.Scopes, scope.Name) {
			continue
		}
		for _, role := range scope.Roles {
			names = append(names, string(role))
		}
	}
	return names
}
