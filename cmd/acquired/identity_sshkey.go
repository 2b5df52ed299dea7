package main

import (
	"context"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
	"acquired/server/sshlogin"
)

// maxPublicKeys is how many keys one file may have.
const maxPublicKeys = 64

func identitySSHKeyCommand(g *globals) *cobra.Command {
	return nounCommand("ssh-key", "The ssh keys that a principal logs in with",
		identitySSHKeyAddCommand(g),
		identitySSHKeyListCommand(g),
		identitySSHKeyRemoveCommand(g),
	)
}

// readPublicKeys reads lines in the form of authorized_keys. Empty lines and
// those that begin with "#" are passed over.
func readPublicKeys(in io.Reader, name string) ([]string, error) {
	content, err := readInput(in, name)
	if err != nil {
		return nil, err
	}
	if strings.Contains(string(content), "PRIVATE KEY-----") {
		return nil, withHint(usage("%s is a private key: it never leaves its owner", name), "the public one is beside it, in %s.pub", name)
	}
	var keys []string
	for line := range strings.Lines(string(content)) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if _, err := sshlogin.ParseAuthorizedKey(line); err != nil {
			return nil, usage("%s: %w", name, err)
		}
		keys = append(keys, line)
	}
	if len(keys) == 0 || len(keys) > maxPublicKeys {
		return nil, usage("%s has %d ssh keys: 1 to %d are added at a time", name, len(keys), maxPublicKeys)
	}
	return keys, nil
}

// addKeys gives the changes that give the keys to the principal.
func addKeys(principal string, keys []string) []*pb.Change {
	changes := make([]*pb.Change, len(keys))
	for i, line := range keys {
		changes[i] = annotateChange(principal, &pb.Annotation{Tag: sshKeyTag, Content: &pb.Annotation_Text{Text: line}}, 0)
	}
	return changes
}

func identitySSHKeyAddCommand(g *globals) *cobra.Command {
	var request requestFlag
	cmd := &cobra.Command{
		Use:     "add PRINCIPAL FILE",
		Short:   "Let a principal log in with the public keys of a file",
		Example: "  acquired identity ssh-key add /user/alice ~/.ssh/id_ed25519.pub",
		Args:    arguments(2, 2, "PRINCIPAL FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			keys, err := readPublicKeys(cmd.InOrStdin(), args[1])
			if err != nil {
				return err
			}
			return g.changeTree(cmd, &request, changesOf(addKeys(args[0], keys)...), showIndex)
		},
	}
	request.register(cmd.Flags())
	return cmd
}

// sshKeyList is what a principal can log in with.
type sshKeyList struct {
	Keys []sshKey `json:"keys"`
}

type sshKey struct {
	// Unique is the number of its annotation.
	Unique uint64 `json:"unique"`
	// Type and Fingerprint are empty for a text that is no key.
	Type        string `json:"type"`
	Fingerprint string `json:"fingerprint"`
	Comment     string `json:"comment"`
	Start       string `json:"start,omitempty"`
	End         string `json:"end,omitempty"`

	version uint64
}

func (l sshKeyList) table(w io.Writer) {
	row(w, "UNIQUE", "TYPE", "FINGERPRINT", "COMMENT", "END")
	for _, k := range l.Keys {
		row(w, number(k.Unique), orDash(k.Type), orDash(k.Fingerprint), orDash(oneLine(k.Comment)), orDash(k.End))
	}
}

// askSSHKeys gives the keys of the principal.
func askSSHKeys(ctx context.Context, c *client.Client, principal string) ([]sshKey, error) {
	answer, err := c.Acl.Describe(ctx, &pb.DescribeRequest{Path: principal})
	if err != nil {
		return nil, hintVisible(err)
	}
	keys := []sshKey{}
	for _, a := range answer.Annotations {
		if a.Tag != sshKeyTag {
			continue
		}
		k := sshKey{Unique: a.Unique, version: a.Version, Start: formatNanos(a.StartUnixNanos), End: formatNanos(a.EndUnixNanos)}
		if key, comment, _, _, err := ssh.ParseAuthorizedKey([]byte(a.GetText())); err == nil {
			k.Type, k.Fingerprint, k.Comment = key.Type(), ssh.FingerprintSHA256(key), comment
		}
		keys = append(keys, k)
	}
	return keys, nil
}

func identitySSHKeyListCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "list PRINCIPAL",
		Short:   "List the ssh keys of a principal",
		Example: "  acquired identity ssh-key list /user/alice",
		Args:    arguments(1, 1, "PRINCIPAL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				keys, err := askSSHKeys(ctx, c, args[0])
				return sshKeyList{keys}, hintRead(err)
			})
		},
	}
}

func identitySSHKeyRemoveCommand(g *globals) *cobra.Command {
	var request requestFlag
	cmd := &cobra.Command{
		Use:   "remove PRINCIPAL UNIQUE|FINGERPRINT|FILE",
		Short: "Take an ssh key from a principal",
		Long: `remove takes away the key of that number or fingerprint, as ssh-key list shows
them, or the public keys of a file. Credentials that were got with it are good
until they expire, or until identity revoke.`,
		Example: "  acquired identity ssh-key remove /user/alice 1",
		Args:    arguments(2, 2, "PRINCIPAL UNIQUE|FINGERPRINT|FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			matches, err := keyMatcher(cmd.InOrStdin(), args[1])
			if err != nil {
				return err
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				keys, err := askSSHKeys(ctx, c, args[0])
				if err != nil {
					return nil, err
				}
				change := &pb.ChangeRequest{}
				for _, k := range keys {
					if matches(k) {
						change.Changes = append(change.Changes, unannotateChange(args[0], sshKeyTag, k.Unique, int64(k.version)))
					}
				}
				if len(change.Changes) == 0 {
					return nil, withHint(fault.NotFound.New("%s has no ssh key %s", args[0], args[1]), "acquired identity ssh-key list %s", args[0])
				}
				answer, err := request.changeTree(ctx, c, change)
				if err != nil {
					return nil, err
				}
				return written{answer.Index}, nil
			})
		},
	}
	request.register(cmd.Flags())
	return cmd
}

// keyMatcher says which keys an argument names.
func keyMatcher(in io.Reader, argument string) (func(sshKey) bool, error) {
	if unique, err := strconv.ParseUint(argument, 10, 64); err == nil {
		return func(k sshKey) bool { return k.Unique == unique }, nil
	}
	if strings.HasPrefix(argument, "SHA256:") {
		return func(k sshKey) bool { return k.Fingerprint == argument }, nil
	}
	lines, err := readPublicKeys(in, argument)
	if err != nil {
		return nil, err
	}
	named := make(map[string]bool)
	for _, line := range lines {
		key, err := sshlogin.ParseAuthorizedKey(line)
		if err != nil {
			return nil, err
		}
		named[ssh.FingerprintSHA256(key)] = true
	}
	return func(k sshKey) bool { return named[k.Fingerprint] }, nil
}
