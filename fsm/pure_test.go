package fsm_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// The rules of this file keep the state machine pure and the packages in their
// order. A test that fails here says what to do instead; where a rule is wrong,
// change the rule, and say why.

const module = "acquired"

// listed is a package as "go list" knows it, without its tests.
type listed struct {
	ImportPath string
	Name       string
	Dir        string
	GoFiles    []string
	Imports    []string
	Export     string // its compiled form
}

// path is the import path within the module: "fsm/kv".
func (p *listed) path() string {
	return strings.TrimPrefix(strings.TrimPrefix(p.ImportPath, module), "/")
}

// forTests says whether the package is only for tests to import.
func (p *listed) forTests() bool { return strings.HasSuffix(p.Name, "test") }

// list runs "go list" with the arguments at the top of the module.
func list(t *testing.T, arguments ...string) (found []*listed) {
	t.Helper()
	command := exec.Command("go", append([]string{"list", "-e", "-json"}, arguments...)...)
	command.Dir = ".."
	command.Stderr = os.Stderr
	output, err := command.Output()
	if err != nil {
		t.Fatalf("%s: %v", command, err)
	}
	decoder := json.NewDecoder(strings.NewReader(string(output)))
	for {
		p := new(listed)
		if err := decoder.Decode(p); errors.Is(err, io.EOF) {
			return found
		} else if err != nil {
			t.Fatalf("%s: %v", command, err)
		}
		found = append(found, p)
	}
}

var (
	listOnce sync.Once
	all      []*listed
)

// packages are those of the module.
func packages(t *testing.T) []*listed {
	t.Helper()
	listOnce.Do(func() { all = list(t, "./...") })
	return all
}

// machinePackages are those that make up the state machine.
func machinePackages(t *testing.T) (some []*listed) {
	t.Helper()
	for _, p := range packages(t) {
		if matches("fsm/...", p.path()) && !p.forTests() {
			some = append(some, p)
		}
	}
	if len(some) < 5 {
		t.Fatalf("%d packages are found under fsm", len(some))
	}
	return some
}

// matches says whether the pattern is the path or, ending in "/...", covers it.
func matches(pattern, path string) bool {
	folder, all := strings.CutSuffix(pattern, "/...")
	return path == folder || all && strings.HasPrefix(path, folder+"/")
}

// impure is what nothing under fsm may import, and what to do instead.
var impure = []struct{ patterns, instead string }{
	{"time", "take the log time, tx.Time, in nanoseconds as an int64"},
	{"math/rand math/rand/v2 crypto/rand", "let the node that takes the request pick it and put it into the request; ids come from tx.NewID"},
	{"os/... io/ioutil syscall runtime/... plugin", "nothing outside the log and the state may matter; let the server pass it in a request"},
	{"net/...", "leave it to the server"},
	{"log/...", "say it in a fault, or panic; the server logs both"},
	{"context", "nothing here waits: Apply runs to its end"},
	{"unsafe reflect", "write it out"},
	{"maps", "keep a sorted slice: the order of a map is another on every node"},
	{"github.com/hashicorp/... go.etcd.io/... github.com/cockroachdb/...", "leave it to the server; kv.Engine is all that is known of storage"},
	{"google.golang.org/grpc/...", "return a fault; proto/fault makes it a status"},
	{module + "/server/... " + module + "/client/... " + module + "/cmd/... " + module + "/jepsen/...", "turn it round: these import fsm"},
}

// shared are the packages whose values readers share with Apply. fsm/policy and
// fsm/tree are among them for what they remember of pure functions of the state.
var shared = []string{"fsm", "fsm/kv", "fsm/policy", "fsm/tree"}

func TestTheMachineImportsNothingImpure(t *testing.T) {
	t.Parallel()
	for _, p := range machinePackages(t) {
		for _, imported := range p.Imports {
			for _, rule := range impure {
				for pattern := range strings.FieldsSeq(rule.patterns) {
					if matches(pattern, imported) {
						t.Errorf("%s imports %s: %s", p.path(), imported, rule.instead)
					}
				}
			}
			if matches("sync/...", imported) && !slices.Contains(shared, p.path()) {
				t.Errorf("%s imports %s: only %s meet more than one goroutine; leave it to them", p.path(), imported, strings.Join(shared, ", "))
			}
		}
	}
}

// base is what every domain may import.
const base = "proto/... fsm/kv fsm/path fsm/command "

// layers say which packages of the module a package may import.
var layers = []struct{ of, may, instead string }{
	{"proto/...", "proto/...", "messages and faults are known to all and know nobody"},
	{"client/...", "proto/...", "what users import must not bring the server with it"},
	{"fsm/path", "proto/fault", "it is below everything"},
	{"fsm/kv", "proto/...", "tables know nothing of what is in them"},
	{"fsm/kv/kvtest", "fsm/kv", "it tests engines and nothing else"},
	{"fsm/command", "proto/... fsm/kv fsm/path", "what a command is does not depend on what commands there are"},
	{"fsm/system", base, domainRule},
	{"fsm/policy", "fsm/command", "it is the algebra of access; names and tables are in fsm/tree"},
	{"fsm/tree", base + "fsm/policy", "it holds names; what they mean is said above it"},
	{"fsm/identity", base + "fsm/policy fsm/tree", domainRule},
	{"fsm/acl", base + "fsm/policy fsm/tree fsm/identity", domainRule},
	{"fsm/ledger", base + "fsm/tree fsm/identity fsm/acl", "what a step of an op needs depends on what the steps before it made: the ledger asks acl, and knows of nobody else"},
	{"fsm/usage", base + "fsm/ledger", domainRule},
	{"fsm/job", base + "fsm/ledger fsm/usage", domainRule},
	{"fsm/drive", base, domainRule},
	{"fsm/fsmtest", "proto/... fsm/...", "it tests the machine without a server"},
	{"fsm", base + "fsm/system fsm/tree fsm/identity fsm/acl fsm/ledger fsm/usage fsm/job fsm/drive", "the server imports fsm, not the other way"},
	{"server/...", "proto/... fsm/... client server/...", "what the command line and the server share goes into the server"},
}

const domainRule = "domains import one way: acl imports identity; usage imports ledger, job imports both; " +
	"none but the ledger asks acl, none the machine: give the command a rule"

func TestPackagesImportInOrder(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		i := slices.IndexFunc(layers, func(l struct{ of, may, instead string }) bool { return matches(l.of, p.path()) })
		if i < 0 {
			if matches("fsm/...", p.path()) {
				t.Errorf("%s is new: say in the layers of pure_test.go what it may import", p.path())
			}
			continue
		}
		layer := layers[i]
		for _, imported := range p.Imports {
			inside, ours := strings.CutPrefix(imported, module+"/")
			allowed := func(pattern string) bool { return matches(pattern, inside) }
			if ours && !slices.ContainsFunc(strings.Fields(layer.may), allowed) {
				t.Errorf("%s imports %s: %s", p.path(), inside, layer.instead)
			}
		}
	}
}

func TestOnlyTestsImportWhatIsForTests(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if p.forTests() || matches("jepsen/...", p.path()) {
			continue
		}
		for _, imported := range p.Imports {
			if matches("testing/...", imported) || strings.HasPrefix(imported, module+"/") && strings.HasSuffix(imported, "test") {
				t.Errorf("%s imports %s: it would go into the binary; move what is needed out of it", p.path(), imported)
			}
		}
	}
}

func TestPackageNames(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		switch p.Name {
		case "util", "utils", "common", "helper", "helpers", "misc", "shared", "base", "types", "models", "manager":
			t.Errorf("%s: name the package after what it provides, or move its parts to where they are used", p.path())
		}
	}
}

// parse reads the files of a package.
func parse(t *testing.T, p *listed, mode parser.Mode) (*token.FileSet, []*ast.File) {
	t.Helper()
	set := token.NewFileSet()
	var files []*ast.File
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(set, filepath.Join(p.Dir, name), nil, mode|parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, file)
	}
	return set, files
}

func generated(p *listed) bool {
	return !slices.ContainsFunc(p.GoFiles, func(name string) bool { return !strings.HasSuffix(name, ".pb.go") })
}

func TestEveryPackageHasOneComment(t *testing.T) {
	t.Parallel()
	for _, p := range packages(t) {
		if generated(p) {
			continue // its comment is in the .proto files
		}
		_, files := parse(t, p, parser.PackageClauseOnly|parser.ParseComments)
		var with []string
		for i, file := range files {
			if file.Doc != nil {
				with = append(with, p.GoFiles[i])
			}
		}
		switch {
		case len(with) == 0:
			t.Errorf("%s has no package comment: say in one file what it is for", p.path())
		case len(with) > 1:
			t.Errorf("%s has package comments in %s: keep one", p.path(), strings.Join(with, ", "))
		}
	}
}

// TestTheMachineIsOneGoroutineWithoutFloats also refuses to range over maps,
// whose order is another on every node.
func TestTheMachineIsOneGoroutineWithoutFloats(t *testing.T) {
	t.Parallel()
	exports := exports(t)
	for _, p := range machinePackages(t) {
		set, files := parse(t, p, 0)
		info := &types.Info{Types: make(map[ast.Expr]types.TypeAndValue)}
		config := types.Config{Importer: importer.ForCompiler(set, "gc", exports)}
		if _, err := config.Check(p.ImportPath, set, files, info); err != nil {
			t.Fatalf("%s: %v", p.path(), err)
		}
		for _, file := range files {
			for node := range ast.Preorder(file) {
				if problem := impureNode(node, info); problem != "" {
					t.Errorf("%s: %s", set.Position(node.Pos()), problem)
				}
			}
		}
	}
}

// exports finds the compiled packages that those of the machine import.
func exports(t *testing.T) importer.Lookup {
	t.Helper()
	compiled := make(map[string]string)
	for _, p := range list(t, "-export", "-deps", "./fsm/...") {
		compiled[p.ImportPath] = p.Export
	}
	return func(path string) (io.ReadCloser, error) {
		if compiled[path] == "" {
			return nil, fmt.Errorf("%s is not compiled", path)
		}
		return os.Open(compiled[path])
	}
}

func impureNode(node ast.Node, info *types.Info) string {
	const alone = "Apply is one goroutine, so that every node does the same; leave this to the server"
	switch node := node.(type) {
	case *ast.GoStmt:
		return "a goroutine: " + alone
	case *ast.SelectStmt:
		return "a select: " + alone
	case *ast.ChanType:
		return "a channel: " + alone
	case *ast.RangeStmt:
		if _, ok := info.TypeOf(node.X).Underlying().(*types.Map); ok {
			return "a range over a map: its order is another on every node; range over a sorted slice"
		}
	case ast.Expr:
		basic, ok := info.TypeOf(node).(*types.Basic)
		if ok && basic.Info()&(types.IsFloat|types.IsComplex) != 0 {
			return "a float: it is rounded; count in the smallest unit, in integers"
		}
	}
	return ""
}
