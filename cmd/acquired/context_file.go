package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"go.yaml.in/yaml/v3"
)

// contextFile says where a cluster is and as whom to speak to it. It is a
// secret: it may hold a key or a token.
type contextFile struct {
	// Cluster is the cluster's id.
	Cluster string `yaml:"cluster"`
	// Addresses are those of its nodes, host:port; any of them serves.
	Addresses []string `yaml:"addresses"`
	// CA, Certificate and Key are PEM; Token is a credential. A context has either
	// a certificate with its key or a token, or is good for a login only.
	CA          string `yaml:"ca"`
	Certificate string `yaml:"certificate,omitempty"`
	Key         string `yaml:"key,omitempty"`
	Token       string `yaml:"token,omitempty"`
}

func (c contextFile) validate() error {
	switch {
	case c.Cluster == "":
		return errors.New("cluster is missing")
	case len(c.Addresses) == 0:
		return errors.New("addresses are missing")
	case c.CA == "":
		return errors.New("ca is missing")
	case (c.Certificate == "") != (c.Key == ""):
		return errors.New("certificate and key belong together")
	case c.Certificate != "" && c.Token != "":
		return errors.New("a certificate and a token do not go together")
	}
	return nil
}

// credential says what proves who calls: "certificate", "token" or "none".
func (c contextFile) credential() string {
	switch {
	case c.Certificate != "":
		return "certificate"
	case c.Token != "":
		return "token"
	}
	return "none"
}

// stranger gives the context of somebody who has yet to log in.
func (c contextFile) stranger() contextFile {
	return contextFile{Cluster: c.Cluster, Addresses: c.Addresses, CA: c.CA}
}

// readContextFile refuses a file whose secret others on this machine can read.
func readContextFile(path string) (contextFile, error) {
	content, err := readSecret(path)
	if err != nil {
		return contextFile{}, err
	}
	var c contextFile
	if err := decodeStrict(content, &c); err != nil {
		return contextFile{}, usage("%s: %w", path, err)
	}
	if err := c.validate(); err != nil {
		return contextFile{}, usage("%s: %w", path, err)
	}
	return c, nil
}

// encode gives the content of the file.
func (c contextFile) encode() ([]byte, error) { return yaml.Marshal(c) }

// decodeStrict reads one YAML document in which every key is known.
func decodeStrict(content []byte, into any) error {
	decoder := yaml.NewDecoder(bytes.NewReader(content))
	decoder.KnownFields(true)
	if err := decoder.Decode(into); err != nil {
		return describeYAML(err)
	}
	if err := decoder.Decode(new(any)); !errors.Is(err, io.EOF) {
		return errors.New("there is more than one document")
	}
	return nil
}

// unknownKey is how the YAML package says that a key is none of ours.
var unknownKey = regexp.MustCompile(`field (.+) not found in type \S+`)

// describeYAML gives an error in one line and in the words of the file.
func describeYAML(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("the file is empty")
	}
	if wrong, ok := errors.AsType[*yaml.TypeError](err); ok {
		return errors.New(unknownKey.ReplaceAllString(strings.Join(wrong.Errors, "; "), "unknown key $1"))
	}
	return err
}

// contextStore is the folder of the user's named contexts.
type contextStore struct{ home string }

// openContexts finds the folder; it need not exist.
func openContexts() (contextStore, error) {
	if home := os.Getenv("ACQUIRED_HOME"); home != "" {
		return contextStore{home}, nil
	}
	config, err := os.UserConfigDir()
	if err != nil {
		return contextStore{}, usage("there is no folder for contexts, set ACQUIRED_HOME: %w", err)
	}
	return contextStore{filepath.Join(config, "acquired")}, nil
}

func (s contextStore) currentPath() string { return filepath.Join(s.home, "current") }
func (s contextStore) path(name string) string {
	return filepath.Join(s.home, "contexts", name+".yaml")
}
func (s contextStore) exists(name string) bool { return fileExists(s.path(name)) }
func fileExists(path string) bool              { _, err := os.Stat(path); return err == nil }

var contextName = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9._-]{0,63}$`)

func checkContextName(name string) error {
	if !contextName.MatchString(name) {
		return usage("context name %q is not 1 to 64 of A-Z a-z 0-9 . _ -, not beginning with . or -", name)
	}
	return nil
}

// current gives the name of the current context; empty is none.
func (s contextStore) current() (string, error) {
	content, err := os.ReadFile(s.currentPath())
	if errors.Is(err, fs.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", usage("read the current context: %w", err)
	}
	return strings.TrimSpace(string(content)), nil
}

// setCurrent makes the context current; an empty name makes none so.
func (s contextStore) setCurrent(name string) error {
	if name == "" {
		if err := os.Remove(s.currentPath()); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	}
	if err := os.MkdirAll(s.home, 0o700); err != nil {
		return err
	}
	return replaceFile(s.currentPath(), []byte(name+"\n"))
}

// save writes the named context over one of the same name.
func (s contextStore) save(name string, c contextFile) error {
	content, err := c.encode()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(s.path(name)), 0o700); err != nil {
		return err
	}
	return replaceFile(s.path(name), content)
}

// names lists the contexts in order.
func (s contextStore) names() ([]string, error) {
	entries, err := os.ReadDir(filepath.Join(s.home, "contexts"))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, usage("list contexts: %w", err)
	}
	names := make([]string, 0, len(entries))
	for _, entry := range entries {
		if name, ok := strings.CutSuffix(entry.Name(), ".yaml"); ok && contextName.MatchString(name) {
			names = append(names, name)
		}
	}
	return names, nil
}

// locate gives the file that a --context value, or when it is empty the
// environment or the current context, stands for. The name is empty for a file
// that is no named context.
func (s contextStore) locate(value string) (name, path string, err error) {
	if value == "" {
		value = os.Getenv("ACQUIRED_CONTEXT")
	}
	if value == "" {
		if value, err = s.current(); err != nil {
			return "", "", err
		}
		if value == "" {
			return "", "", withHint(usage("no context is named and none is current"),
				"acquired agent --dev starts a node to try; --context FILE names a cluster that runs")
		}
		return value, s.path(value), checkContextName(value)
	}
	if strings.ContainsRune(value, filepath.Separator) || strings.ContainsRune(value, '/') || fileExists(value) {
		return "", value, nil
	}
	return value, s.path(value), checkContextName(value)
}

// load reads the context that locate finds.
func (s contextStore) load(value string) (contextFile, error) {
	name, path, err := s.locate(value)
	if err != nil {
		return contextFile{}, err
	}
	c, err := readContextFile(path)
	if name != "" && errors.Is(err, fs.ErrNotExist) {
		return c, withHint(usage("there is no context %q: %w", name, err), "acquired context list")
	}
	return c, err
}

// loadContext reads the context that the flags, the environment or the user's
// choice name.
func (g *globals) loadContext() (contextFile, error) {
	contexts, err := openContexts()
	if err != nil {
		return contextFile{}, err
	}
	c, err := contexts.load(g.context)
	if err != nil {
		return contextFile{}, fmt.Errorf("context: %w", err)
	}
	return c, nil
}
