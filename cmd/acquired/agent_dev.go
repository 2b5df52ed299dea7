package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"

	"github.com/spf13/cobra"

	"acquired/client"
	"acquired/cmd/acquired/universe"
	pb "acquired/proto/acquired/v1"
	"acquired/server"
)

// devContext is the name of the context of agent --dev.
const devContext = "dev"

// devFlags are those of agent --dev.
type devFlags struct {
	basePort      int
	basePortGiven bool
	// data is the folder to keep; empty is a temporary one.
	data string
}

// run runs a cluster of one node and makes it the current context, if there is
// none, for as long as it runs.
func (d devFlags) run(cmd *cobra.Command) error {
	folder := d.data
	if folder == "" {
		temporary, err := os.MkdirTemp("", "acquired-dev-*")
		if err != nil {
			return err
		}
		defer os.RemoveAll(temporary)
		folder = temporary
	}
	config, err := d.config(folder)
	if err != nil {
		return err
	}
	operator, err := readContextFile(filepath.Join(folder, operatorContextFile))
	if err != nil {
		return err
	}
	lend := &lentContext{}
	started := func(node *server.Node) error {
		if err := node.Ready(cmd.Context()); err != nil {
			return err
		}
		if err := loadStarter(cmd.Context(), operator); err != nil {
			return err
		}
		if err := lend.lend(operator); err != nil {
			return err
		}
		d.welcome(cmd.OutOrStdout(), config, lend.current)
		return nil
	}
	err = config.run(cmd.Context(), cmd.ErrOrStderr(), started)
	return errors.Join(err, lend.takeBack())
}

// loadStarter gives a cluster whose tree is empty the starter universe.
func loadStarter(ctx context.Context, operator contextFile) error {
	c, err := defaultGlobals().dialAs(ctx, operator, "")
	if err != nil {
		return err
	}
	defer c.Close()
	there, err := c.Acl.List(client.WithRead(ctx, client.Latest), &pb.ListRequest{Path: "/", Limit: 1})
	if err != nil || len(there.Nodes) > 0 {
		return err
	}
	plan, err := universe.Starter().Plan(nil, universe.Add)
	if err != nil {
		return err
	}
	_, err = c.Acl.Change(ctx, &pb.ChangeRequest{Changes: plan.Changes})
	return err
}

// config gives the configuration of the node in the folder, and makes it if the
// folder is new.
func (d devFlags) config(folder string) (agentConfig, error) {
	path := filepath.Join(folder, "node1", "agent.yaml")
	if fileExists(path) {
		return d.reuse(path)
	}
	plan := clusterPlan{nodes: 1, host: "127.0.0.1", basePort: d.basePort, log: logConfig{Level: "warn", Format: "text"}}
	if _, err := plan.write(folder); err != nil {
		return agentConfig{}, err
	}
	return readAgentConfig(path)
}

// reuse reads what an earlier run made. Its address is in its log: other ports
// would make it another node.
func (d devFlags) reuse(path string) (agentConfig, error) {
	c, err := readAgentConfig(path)
	if err != nil {
		return c, err
	}
	if len(c.InitialNodes) != 1 {
		return c, usage("%s is of a cluster of %d nodes: run it with --config", path, len(c.InitialNodes))
	}
	if _, port, err := net.SplitHostPort(c.Listen); d.basePortGiven && (err != nil || port != strconv.Itoa(d.basePort)) {
		return c, usage("%s listens at %s: leave --base-port out, or take another folder", path, c.Listen)
	}
	return c, nil
}

// lentContext is the context "dev", while the node runs.
type lentContext struct {
	contexts contextStore
	content  []byte
	// current is set when it was made the current one.
	current bool
}

// lend writes the context and makes it current when none is. One that an
// earlier node left behind, because it was killed, counts as none.
func (l *lentContext) lend(operator contextFile) error {
	contexts, err := openContexts()
	if err != nil {
		return err
	}
	current, err := contexts.current()
	if err != nil {
		return err
	}
	if l.content, err = operator.encode(); err != nil {
		return err
	}
	l.contexts = contexts
	if err := contexts.save(devContext, operator); err != nil {
		return err
	}
	if current != "" && current != devContext {
		return nil
	}
	l.current = true
	return contexts.setCurrent(devContext)
}

// takeBack removes what lend made, unless another node has put its own there.
func (l *lentContext) takeBack() error {
	if l.content == nil {
		return nil
	}
	path := l.contexts.path(devContext)
	if content, err := os.ReadFile(path); err != nil || !bytes.Equal(content, l.content) {
		return nil
	}
	if err := os.Remove(path); err != nil {
		return err
	}
	if current, err := l.contexts.current(); err != nil || current != devContext {
		return err
	}
	return l.contexts.setCurrent("")
}

// welcome says what runs and what to try.
func (d devFlags) welcome(w io.Writer, c agentConfig, current bool) {
	fmt.Fprintf(w, "acquired runs: %s of cluster %s at %s, health and metrics at http://%s\n", c.Node, c.Cluster, c.Listen, c.HTTP)
	if d.data == "" {
		fmt.Fprintf(w, "Everything is removed when it ends. To keep it, use --data DIR.\n")
	}
	fmt.Fprintf(w, "\nTry in another terminal:\n\n")
	if !current || os.Getenv("ACQUIRED_CONTEXT") != "" {
		fmt.Fprintf(w, "  export ACQUIRED_CONTEXT=%s\n", devContext)
	}
	fmt.Fprint(w, `  acquired cluster status
  acquired ledger create-asset USD --scale 2
  acquired ledger open-account /account/centre --asset USD
  acquired ledger open-account /account/physics/alice --asset USD --overdraft 100.00
  acquired ledger transfer /account/physics/alice /account/centre 12.50
  acquired ledger balance /account/physics/alice
  acquired acl ls -r
`)
}
