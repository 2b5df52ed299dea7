package conformance

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"testing"

	"acquired/client"
	"acquired/cmd/acquired/universe"
	pb "acquired/proto/acquired/v1"
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
