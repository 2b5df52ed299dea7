package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
	"golang.org/x/term"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

const (
	// nonceSize is in bytes.
	nonceSize = 16
	// maxAgentKeys is how many keys of an agent are tried.
	maxAgentKeys = 16
)

func identityLoginCommand(g *globals) *cobra.Command {
	var keyFile string
	var to destination
	cmd := &cobra.Command{
		Use:   "login PRINCIPAL",
		Short: "Get a credential by an ssh key of a principal",
		Long: `login proves by an ssh key that you are the principal, and prints a credential, or
keeps a context that uses it. The keys are those of the ssh agent, one after the
other, or the one of --key, whose passphrase is asked for at a terminal.

All it needs of the context are the cluster, the addresses and the CA.`,
		Example: `  acquired identity login /user/alice --save alice
  acquired identity login /user/alice --key ~/.ssh/id_ed25519`,
		Args: arguments(1, 1, "PRINCIPAL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			principal, err := parsePath(args[0])
			if err != nil {
				return err
			}
			if err := to.check(); err != nil {
				return err
			}
			at, err := g.loadContext()
			if err != nil {
				return err
			}
			signers, done, err := openSigners(cmd, keyFile)
			if err != nil {
				return err
			}
			defer done()
			c, err := g.dialAs(cmd.Context(), at.stranger(), "")
			if err != nil {
				return err
			}
			defer c.Close()
			credential, err := login(cmd.Context(), c, at.Cluster, principal, signers)
			if err != nil {
				return err
			}
			answer, err := to.keep(at, credential)
			if err != nil {
				return err
			}
			return g.output.show(cmd.OutOrStdout(), answer)
		},
	}
	cmd.Flags().StringVar(&keyFile, "key", "", "file of the private ssh key (default: the keys of the ssh agent)")
	to.register(cmd.Flags())
	return cmd
}

// login tries one key after the other until one is accepted.
func login(ctx context.Context, c *client.Client, cluster, principal string, signers []ssh.Signer) (*pb.Credential, error) {
	var refused error
	for _, signer := range signers {
		request, err := loginRequest(cluster, principal, signer, time.Now())
		if err != nil {
			return nil, err
		}
		credential, err := c.Identity.Login(ctx, request)
		if err == nil {
			return credential, nil
		}
		if !errors.Is(err, fault.Unauthenticated) {
			return nil, err
		}
		refused = err
	}
	return nil, withHint(refused, "is one of your keys among those of the principal? acquired identity ssh-key list %s", principal)
}

// loginRequest signs who the principal is.
func loginRequest(cluster, principal string, signer ssh.Signer, now time.Time) (*pb.LoginRequest, error) {
	request := &pb.LoginRequest{
		Principal: principal, Unix: now.Unix(), Nonce: make([]byte, nonceSize), PublicKey: signer.PublicKey().Marshal(),
	}
	_, _ = rand.Read(request.Nonce) // it never fails
	signature, err := sign(signer, client.LoginStatement(cluster, principal, request.Unix, request.Nonce))
	if err != nil {
		return nil, fmt.Errorf("sign with ssh key %s: %w", ssh.FingerprintSHA256(signer.PublicKey()), err)
	}
	request.Signature = ssh.Marshal(signature)
	return request, nil
}

// sign signs as the type of the key asks, but never with SHA-1.
func sign(signer ssh.Signer, statement []byte) (*ssh.Signature, error) {
	if signer.PublicKey().Type() != ssh.KeyAlgoRSA {
		return signer.Sign(rand.Reader, statement)
	}
	chooser, ok := signer.(ssh.AlgorithmSigner)
	if !ok {
		return nil, errors.New("it can sign with SHA-1 only")
	}
	return chooser.SignWithAlgorithm(rand.Reader, statement, ssh.KeyAlgoRSASHA512)
}

// openSigners gives the keys to try. The caller calls done after the last use.
func openSigners(cmd *cobra.Command, keyFile string) (signers []ssh.Signer, done func(), err error) {
	if keyFile != "" {
		signer, err := readSigner(cmd, keyFile)
		return []ssh.Signer{signer}, func() {}, err
	}
	return agentSigners(cmd.Context())
}

func agentSigners(ctx context.Context) (signers []ssh.Signer, done func(), err error) {
	socket := os.Getenv("SSH_AUTH_SOCK")
	if socket == "" {
		return nil, nil, withHint(usage("there is no ssh agent: SSH_AUTH_SOCK is not set"), "--key FILE names a private key")
	}
	conn, err := new(net.Dialer).DialContext(ctx, "unix", socket)
	if err != nil {
		return nil, nil, withHint(usage("ssh agent: %w", err), "--key FILE names a private key")
	}
	// An agent may wait for its user; the end of ctx ends that.
	stop := context.AfterFunc(ctx, func() { _ = conn.Close() })
	done = func() {
		stop()
		_ = conn.Close()
	}
	signers, err = agent.NewClient(conn).Signers()
	switch {
	case err != nil:
		err = fmt.Errorf("ssh agent: %w", err)
	case len(signers) == 0:
		err = withHint(usage("the ssh agent has no key"), "ssh-add FILE; --key FILE names a private key")
	case len(signers) > maxAgentKeys:
		err = withHint(usage("the ssh agent has %d keys, more than the %d that are tried", len(signers), maxAgentKeys), "--key FILE names the one to use")
	}
	if err != nil {
		done()
		return nil, nil, err
	}
	return signers, done, nil
}

// readSigner reads a private key, and asks for its passphrase if it has one.
func readSigner(cmd *cobra.Command, path string) (ssh.Signer, error) {
	content, err := readSecret(path)
	if err != nil {
		return nil, err
	}
	signer, err := ssh.ParsePrivateKey(content)
	if _, ok := errors.AsType[*ssh.PassphraseMissingError](err); ok {
		var passphrase []byte
		if passphrase, err = askPassphrase(cmd, path); err != nil {
			return nil, err
		}
		signer, err = ssh.ParsePrivateKeyWithPassphrase(content, passphrase)
	}
	if err != nil {
		return nil, usage("%s: %w", path, err)
	}
	return signer, nil
}

func askPassphrase(cmd *cobra.Command, path string) ([]byte, error) {
	terminal, ok := cmd.InOrStdin().(*os.File)
	if !ok || !term.IsTerminal(int(terminal.Fd())) {
		return nil, withHint(usage("%s has a passphrase, and standard input is no terminal to ask for it", path), "ssh-add %s, and leave --key out", path)
	}
	fmt.Fprintf(cmd.ErrOrStderr(), "Passphrase of %s: ", path)
	passphrase, err := term.ReadPassword(int(terminal.Fd()))
	fmt.Fprintln(cmd.ErrOrStderr())
	return passphrase, err
}
