package conformance

import (
	"iter"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
)

// checkVouch asks for a credential for each path, as each caller.
func (w *world) checkVouch(c *comparison) {
	all, _ := read[map[string]outcomes](c.t, filepath.Join(w.dir, c.file))
	for _, caller := range slices.Sorted(maps.Keys(all)) {
		if !w.leaves[caller] {
			c.byRule("directory-caller")
			w.checkNoPrincipal(c, caller)
			continue
		}
		as := w.as(c.t, caller)
		for recorded, path := range all[caller].each() {
			credential, err := as.Identity.Vouch(c.t.Context(), &pb.VouchRequest{Subject: path})
			if err == nil && oldName(credential.Subject) != path {
				c.t.Errorf("the credential for %s is for %s", path, credential.Subject)
			}
			c.row(caller+" "+path, recorded, outcome(err),
				rule{"only-principals", !isBelowPrincipals(path), "invalid"},
				rule{"only-principals", recorded == "ok" && !w.leaves[path], "conflict"},
				rule{"hidden-is-missing", recorded == "denied" && !w.sees(caller, path), "not_found"})
		}
	}
}

// checkNoPrincipal makes sure that a directory has no way to call: nobody gets a
// credential for it, and its name is none.
func (w *world) checkNoPrincipal(c *comparison, directory string) {
	c.t.Helper()
	if _, err := w.operator.Identity.Vouch(c.t.Context(), &pb.VouchRequest{Subject: directory}); err == nil {
		c.t.Errorf("the operator gets a credential for %s, which is a directory", directory)
	}
	if here := w.barely(c, directory); here != refused {
		c.t.Errorf("%s, which is a directory, calls by its name: %s", directory, here)
	}
}

func isBelowPrincipals(path string) bool {
	return strings.HasPrefix(path, "am://user/") || strings.HasPrefix(path, "am://workload/")
}

// each gives the outcomes with what had them, in order.
func (o outcomes) each() iter.Seq2[string, string] {
	return func(yield func(outcome, tried string) bool) {
		for _, outcome := range slices.Sorted(maps.Keys(o)) {
			for _, tried := range o[outcome] {
				if !yield(outcome, tried) {
					return
				}
			}
		}
	}
}

// Outcomes of a name without any proof, and of asking for delegation.
const (
	accepted = "ok"
	refused  = "refused"
	noInfo   = "permitted, no data-info annotation"
)

// checkNames calls with bare names.
func (w *world) checkNames(c *comparison) {
	all, _ := read[outcomes](c.t, filepath.Join(w.dir, c.file))
	for recorded, name := range all.each() {
		if recorded != accepted {
			recorded = refused
		}
		c.row(name, recorded, w.barely(c, name),
			rule{"directory-caller", recorded == accepted && !w.leaves[name], refused})
	}
}

// barely says what comes of a call with a bare name.
func (w *world) barely(c *comparison, name string) string {
	c.t.Helper()
	as, err := w.dial(c.t, name)
	var who *pb.WhoamiResponse
	if err == nil {
		who, err = as.Identity.Whoami(c.t.Context(), &pb.WhoamiRequest{})
	}
	switch got := outcome(err); {
	case got == "unauthenticated":
		return refused
	case err != nil:
		return got
	case oldName(who.Principal) != name:
		return "taken for " + who.Principal
	}
	return accepted
}

// checkDelegation asks for what a data service needs, as each caller.
func (w *world) checkDelegation(c *comparison) {
	rows, _ := read[[]recordedCredential](c.t, filepath.Join(w.dir, c.file))
	clients := make(map[string]*client.Client)
	for _, row := range rows {
		if clients[row.Caller] == nil {
			clients[row.Caller] = w.as(c.t, row.Caller)
		}
		recorded := row.Outcome
		if recorded == "delegation-token" {
			recorded = strings.Join(append([]string{recorded}, row.Roles...), " ")
		}
		here := w.delegate(c, clients[row.Caller], row)
		c.row(row.Caller+" "+row.Path+" "+strings.Join(row.Operations, ","), recorded, here,
			rule{"data-itself", row.Path == "am://data", "invalid"})
	}
}

// delegate asks for the credential of the row and gives its outcome. The roles are
// those in the token.
func (w *world) delegate(c *comparison, as *client.Client, row recordedCredential) string {
	c.t.Helper()
	res, err := as.Identity.Delegate(c.t.Context(), &pb.DelegateRequest{Path: row.Path, Operations: row.Operations})
	switch got := outcome(err); {
	case got == "conflict":
		return noInfo
	case err != nil:
		return got
	}
	shown, err := as.Identity.Inspect(c.t.Context(), &pb.InspectRequest{Token: res.Token})
	switch {
	case err != nil:
		c.t.Fatal(err)
	case !shown.Valid, !shown.Delegated, oldName(shown.Subject) != row.Caller:
		c.t.Errorf("the token for %s at %s shows %v", row.Caller, row.Path, shown)
	case oldName(shown.Path) != row.Path:
		c.t.Errorf("the token for %s shows the path %s, want %s", row.Caller, shown.Path, newName(row.Path))
	}
	parts := []string{"delegation-token"}
	for _, role := range shown.Roles {
		parts = append(parts, oldName(role))
	}
	return strings.Join(parts, " ")
}
