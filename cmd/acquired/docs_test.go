package main

import (
	"encoding/json"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/reflect/protoregistry"

	pb "acquired/proto/acquired/v1"
)

const (
	// repository is where the documents are, seen from this package.
	repository = "../.."
	// documentScripts has a script for each document with commands.
	documentScripts = "testdata/docs"
	// sampleLog is named in the documents by its path in the repository, and so
	// are the files of sampleEstate.
	sampleLog    = "cmd/acquired/swf/testdata/small.swf"
	sampleEstate = "docs/sample-*"
)

// TestDocumentScripts runs the commands of the documents, with real agents.
func TestDocumentScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 documentScripts,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       *update,
		Setup: func(env *testscript.Env) error {
			port := clusterPorts(t)
			env.Setenv("ACQUIRED_HOME", filepath.Join(env.WorkDir, "home"))
			env.Setenv("ACQUIRED_CONTEXT", "")
			env.Setenv("GORACE", "atexit_sleep_ms=0")
			env.Setenv("BASE_PORT", strconv.Itoa(port))
			env.Setenv("HTTP", "http://"+net.JoinHostPort("127.0.0.1", strconv.Itoa(port+2)))
			return copySamples(env.WorkDir)
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"status":     exitStatus,
			"eventually": eventually,
			"voters":     voters,
			"answers":    answers,
			"metrics":    metrics,
			"shape":      shapeOfOutput,
			"shown":      shownOutput,
			"sshkeys":    sshKeys,
		},
	})
}

// clusterPorts gives the first port of a cluster of up to five nodes.
func clusterPorts(t *testing.T) int {
	t.Helper()
	const nodes = 5
	for {
		first := portsOfRun + (int(nextPort.Add(nodes))-nodes+1)*portStep
		if first > portsOfRun+4000 {
			t.Fatalf("no ports for %d nodes are free", nodes)
		}
		free := true
		for port := first; port < first+nodes*portStep; port += portStep {
			free = free && isFree(port) && isFree(port+1) && isFree(port+2) && isFree(port+3)
		}
		if free {
			return first
		}
	}
}

// copySamples puts the samples of the repository under the same names into a
// folder.
func copySamples(folder string) error {
	for _, pattern := range []string{sampleLog, sampleEstate} {
		samples, err := fs.Glob(os.DirFS(repository), pattern)
		if err != nil {
			return err
		}
		if len(samples) == 0 {
			return fmt.Errorf("there are no samples %s", pattern)
		}
		for _, sample := range samples {
			if err := copyFile(filepath.Join(repository, sample), filepath.Join(folder, sample)); err != nil {
				return err
			}
		}
	}
	return nil
}

func copyFile(from, to string) error {
	content, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(to), 0o700); err != nil {
		return err
	}
	return os.WriteFile(to, content, 0o600)
}

// voters is "voters N": waits until the cluster has a leader and N voters, all
// of them healthy.
func voters(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: voters number")
	}
	got := ""
	await(ts, func() bool {
		if err := ts.Exec("acquired", "cluster", "status", "-o", "json"); err != nil {
			got = err.Error()
			return false
		}
		var s clusterStatus
		ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &s))
		members, healthy := 0, 0
		for _, node := range s.Nodes {
			if node.Suffrage == "none" {
				continue
			}
			members++
			if node.Suffrage == "voter" && node.Healthy {
				healthy++
			}
		}
		got = fmt.Sprintf("leader %q, %d members of which %d are healthy voters", s.Leader, members, healthy)
		return s.Leader != "" && members == healthy && strconv.Itoa(healthy) == args[0]
	}, func() string { return "got " + got + ", want a leader and " + args[0] + " healthy voters" })
}

// answers is "answers URL CODE": waits until an HTTP GET is answered with it.
func answers(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: answers url code")
	}
	got := ""
	await(ts, func() bool {
		code, body, err := get(args[0])
		got = fmt.Sprintf("%d %s %v", code, body, err)
		return err == nil && strconv.Itoa(code) == args[1]
	}, func() string { return args[0] + ": got " + got + ", want " + args[1] })
}

func get(url string) (code int, body string, err error) {
	client := http.Client{Timeout: 5 * time.Second}
	res, err := client.Get(url)
	if err != nil {
		return 0, "", err
	}
	defer res.Body.Close()
	content, err := io.ReadAll(res.Body)
	return res.StatusCode, string(content), err
}

var (
	metricHelp = regexp.MustCompile(`(?m)^# HELP (acquired_\w+) `)
	metricCell = regexp.MustCompile("(?m)^\\| `(acquired_\\w+)` \\|")
)

// metrics is "metrics URL": the metrics there must be those of the table in
// docs/operations.md.
func metrics(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: metrics url")
	}
	_, body, err := get(args[0])
	ts.Check(err)
	document, err := os.ReadFile(filepath.Join(repository, "docs/operations.md"))
	ts.Check(err)
	got, want := matches(metricHelp, body), matches(metricCell, string(document))
	if !slices.Equal(got, want) {
		ts.Fatalf("metrics: got %v, docs/operations.md has %v", got, want)
	}
}

// matches gives the first groups of all matches, sorted.
func matches(pattern *regexp.Regexp, text string) (all []string) {
	for _, match := range pattern.FindAllStringSubmatch(text, -1) {
		all = append(all, match[1])
	}
	slices.Sort(all)
	return all
}

// shownOutput is "shown DOCUMENT COMMAND": what the last command wrote, to
// standard output and then to standard error, must be what the document shows
// behind the prompt with the command.
func shownOutput(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 2 {
		ts.Fatalf("usage: shown document command")
	}
	document, err := os.ReadFile(filepath.Join(repository, args[0]))
	ts.Check(err)
	_, rest, found := strings.Cut(string(document), "\n$ "+args[1]+"\n")
	if !found {
		ts.Fatalf("%s does not show %s", args[0], args[1])
	}
	want := ""
	for line := range strings.Lines(rest) {
		if strings.HasPrefix(line, "```") || strings.HasPrefix(line, "$ ") {
			break
		}
		want += line
	}
	if got := ts.ReadFile("stdout") + ts.ReadFile("stderr"); got != want {
		ts.Fatalf("%s: got\n%s%s shows\n%s", args[1], got, args[0], want)
	}
}

// shapeOfOutput is "shape COMMAND": standard output must have the names of the
// JSON that docs/api.md shows for the command.
func shapeOfOutput(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: shape command")
	}
	document, err := os.ReadFile(filepath.Join(repository, "docs/api.md"))
	ts.Check(err)
	_, rest, named := strings.Cut(string(document), "\n`"+args[0]+"`")
	_, rest, begun := strings.Cut(rest, "\n```json\n")
	want, _, ended := strings.Cut(rest, "\n```\n")
	if !named || !begun || !ended {
		ts.Fatalf("docs/api.md shows no JSON of %s", args[0])
	}
	got := jsonNames(ts, ts.ReadFile("stdout"))
	if want := jsonNames(ts, want); !slices.Equal(got, want) {
		ts.Fatalf("%s: got the names %v, docs/api.md has %v", args[0], got, want)
	}
}

// jsonNames gives the names in a JSON document with those they are in, sorted and
// without repetition.
func jsonNames(ts *testscript.TestScript, document string) (all []string) {
	var value any
	ts.Check(json.Unmarshal([]byte(document), &value))
	var collect func(prefix string, value any)
	collect = func(prefix string, value any) {
		switch value := value.(type) {
		case map[string]any:
			for name, inner := range value {
				all = append(all, prefix+name)
				collect(prefix+name+".", inner)
			}
		case []any:
			for _, inner := range value {
				collect(prefix, inner)
			}
		}
	}
	collect("", value)
	slices.Sort(all)
	return slices.Compact(all)
}

// TestDocumentedCommands holds the documents to the scripts: what a document
// tells people to type, its script runs, in the same order.
func TestDocumentedCommands(t *testing.T) {
	t.Parallel()
	targets := makeTargets(t)
	for _, document := range documents(t) {
		commands := slices.DeleteFunc(documentCommands(t, document), func(command string) bool {
			target, isMake := strings.CutPrefix(command, "make ")
			if isMake && !slices.Contains(targets, target) {
				t.Errorf("%s: %q: the Makefile has no such target", document, command)
			}
			return isMake
		})
		if len(commands) == 0 {
			continue
		}
		name := strings.ToLower(strings.TrimSuffix(filepath.Base(document), ".md")) + ".txtar"
		script := scriptCommands(t, filepath.Join(documentScripts, name))
		for _, command := range commands {
			at := slices.Index(script, command)
			if at < 0 {
				t.Errorf("%s: %q is not run by %s, or not in this order", document, command, name)
				continue
			}
			script = script[at+1:]
		}
	}
}

// documents gives the paths of the documents in the repository.
func documents(t *testing.T) (all []string) {
	t.Helper()
	for _, pattern := range []string{"*.md", "docs/*.md", "docs/*/*.md"} {
		found, err := filepath.Glob(filepath.Join(repository, pattern))
		if err != nil || len(found) == 0 {
			t.Fatalf("documents %s: got %v, %v", pattern, found, err)
		}
		all = append(all, found...)
	}
	return all
}

// documentCommands gives the lines of sh blocks, and of others those that begin
// with a prompt.
func documentCommands(t *testing.T, path string) (commands []string) {
	t.Helper()
	block := ""
	for line := range strings.Lines(readFile(t, path)) {
		line = strings.TrimSpace(line)
		fence, isFence := strings.CutPrefix(line, "```")
		prompted, isPrompted := strings.CutPrefix(line, "$ ")
		switch {
		case isFence && block == "":
			block = fence + " block"
		case isFence:
			block = ""
		case block == "sh block" && line != "":
			commands = append(commands, line)
		case block != "" && isPrompted:
			commands = append(commands, prompted)
		}
	}
	return commands
}

var (
	scriptPrefix     = regexp.MustCompile(`^(\[\S+\] )*(! )?(exec |eventually |status \d+ )`)
	scriptBackground = regexp.MustCompile(` &\w+&$`)
	// scriptWords are what a person types for what a script has.
	scriptWords = strings.NewReplacer(" --base-port $BASE_PORT", "", "$WORK", "$PWD", "${:}", ":")
)

// scriptCommands gives the commands of a script as people would type them.
func scriptCommands(t *testing.T, path string) (commands []string) {
	t.Helper()
	for line := range strings.Lines(readFile(t, path)) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, "-- ") {
			break
		}
		if setting, ok := strings.CutPrefix(line, "env "); ok {
			line = "export " + setting
		}
		line = scriptBackground.ReplaceAllString(scriptPrefix.ReplaceAllString(line, ""), " &")
		commands = append(commands, scriptWords.Replace(line))
	}
	return commands
}

var makeTarget = regexp.MustCompile(`(?m)^([a-z]+):`)

func makeTargets(t *testing.T) []string {
	t.Helper()
	return matches(makeTarget, readFile(t, filepath.Join(repository, "Makefile")))
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

var documentLink = regexp.MustCompile(`\]\(([^)#:]+)\)`)

func TestDocumentLinks(t *testing.T) {
	t.Parallel()
	for _, document := range documents(t) {
		for _, link := range matches(documentLink, readFile(t, document)) {
			if !fileExists(filepath.Join(filepath.Dir(document), link)) {
				t.Errorf("%s: link to %s: there is no such file", document, link)
			}
		}
	}
}

func TestConfigurationIsDocumented(t *testing.T) {
	t.Parallel()
	document := readFile(t, filepath.Join(repository, "docs/operations.md"))
	for _, key := range configurationKeys(reflect.TypeFor[agentConfig]()) {
		if !strings.Contains(document, "| `"+key+"` |") {
			t.Errorf("docs/operations.md does not say what %s is in agent.yaml", key)
		}
	}
}

// configurationKeys gives the keys of a configuration, those of its parts behind
// a point.
func configurationKeys(of reflect.Type) (keys []string) {
	for field := range of.Fields() {
		key, _, _ := strings.Cut(field.Tag.Get("yaml"), ",")
		switch {
		case key == "":
		case field.Type.Kind() == reflect.Struct:
			for _, inner := range configurationKeys(field.Type) {
				keys = append(keys, key+"."+inner)
			}
		default:
			keys = append(keys, key)
		}
	}
	return keys
}

func TestCallsAreDocumented(t *testing.T) {
	t.Parallel()
	document := readFile(t, filepath.Join(repository, "docs/api.md"))
	calls := 0
	protoregistry.GlobalFiles.RangeFilesByPackage(pb.File_acquired_v1_ledger_proto.Package(), func(file protoreflect.FileDescriptor) bool {
		for i := range file.Services().Len() {
			service := file.Services().Get(i)
			for j := range service.Methods().Len() {
				calls++
				call := fmt.Sprintf("%s.%s", service.Name(), service.Methods().Get(j).Name())
				if !strings.Contains(document, "| `"+call+"` |") {
					t.Errorf("docs/api.md does not say what %s needs", call)
				}
			}
		}
		return true
	})
	if calls == 0 {
		t.Error("found no calls")
	}
}
