package cluster

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v3"
)

// Node is an agent, running or not.
type Node struct {
	ID      string
	cluster *Cluster
	t       testing.TB
	config  string
	log     string
	process *exec.Cmd
	ended   chan error
}

// Configure changes agent.yaml, for the next Start.
func (n *Node) Configure(change func(map[string]any)) {
	n.t.Helper()
	config := n.read()
	change(config)
	b, err := yaml.Marshal(config)
	if err == nil {
		err = os.WriteFile(n.config, b, 0o600)
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

func (n *Node) read() map[string]any {
	n.t.Helper()
	config := make(map[string]any)
	b, err := os.ReadFile(n.config)
	if err == nil {
		err = yaml.Unmarshal(b, &config)
	}
	if err != nil {
		n.t.Fatal(err)
	}
	return config
}

// Address is where the node serves gRPC and raft; HTTP is where it serves
// health; SSH is where it serves logins; Gossip is where it gossips.
func (n *Node) Address() string { return n.read()["listen"].(string) }
func (n *Node) HTTP() string    { return n.read()["http"].(string) }
func (n *Node) SSH() string     { return n.read()["ssh"].(string) }
func (n *Node) Gossip() string  { return n.read()["gossip"].(map[string]any)["listen"].(string) }

// DataDir is where the node keeps its data.
func (n *Node) DataDir() string {
	dir := n.read()["data"].(string)
	if filepath.IsAbs(dir) {
		return dir
	}
	return filepath.Join(filepath.Dir(n.config), dir)
}

// Start starts the agent, which must not be running. Its log goes to the end of
// one file.
func (n *Node) Start(wrap ...string) {
	n.t.Helper()
	args := append(wrap, Binary(n.t), "agent", "--config", n.config)
	n.process = exec.Command(args[0], args[1:]...)
	// An agent must not outlive the test, however that ends.
	n.process.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	log, err := os.OpenFile(n.log, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		n.t.Fatal(err)
	}
	defer log.Close()
	n.process.Stdout, n.process.Stderr = log, log
	if err := n.process.Start(); err != nil {
		n.t.Fatal(err)
	}
	ended, process := make(chan error, 1), n.process
	n.ended = ended
	go func() { ended <- process.Wait() }()
}

// PID is the process of the agent.
func (n *Node) PID() int { return n.process.Process.Pid }

// Kill ends the agent at once, as a power switch would the process. It does
// nothing when the agent is not running.
func (n *Node) Kill() {
	if n.process == nil {
		return
	}
	_ = n.process.Process.Kill()
	<-n.ended
	n.process = nil
}

// Stop asks the agent to end and waits until it has.
func (n *Node) Stop() {
	n.t.Helper()
	n.signal(syscall.SIGTERM)
	if err := n.WaitEnd(time.Minute); err != nil {
		n.t.Errorf("%s: SIGTERM: %v", n.ID, err)
	}
}

// Pause stops the agent's process where it is; Resume lets it go on.
func (n *Node) Pause()  { n.signal(syscall.SIGSTOP) }
func (n *Node) Resume() { n.signal(syscall.SIGCONT) }

func (n *Node) signal(s os.Signal) {
	n.t.Helper()
	if err := n.process.Process.Signal(s); err != nil {
		n.t.Errorf("%s: %v: %v", n.ID, s, err)
	}
}

// WaitEnd waits until the agent ends by itself and gives how, as exec.Cmd.Wait
// does.
func (n *Node) WaitEnd(within time.Duration) error {
	n.t.Helper()
	select {
	case err := <-n.ended:
		n.process = nil
		return err
	case <-time.After(within):
		n.t.Fatalf("%s did not end within %s", n.ID, within)
		return nil
	}
}

// Wipe removes the data of the node, which must not be running.
func (n *Node) Wipe() {
	n.t.Helper()
	entries, err := os.ReadDir(n.DataDir())
	for _, e := range entries {
		if err == nil {
			err = os.RemoveAll(filepath.Join(n.DataDir(), e.Name()))
		}
	}
	if err != nil {
		n.t.Fatal(err)
	}
}

// Log gives what the agent logged, in all its runs.
func (n *Node) Log() []byte {
	b, _ := os.ReadFile(n.log)
	return b
}

// Ready says why the node cannot serve, or nil.
func (n *Node) Ready(ctx context.Context) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+n.HTTP()+"/readyz", nil)
	if err != nil {
		return err
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("%s", res.Status)
	}
	return nil
}

// WaitReady waits until the node can serve.
func (n *Node) WaitReady(within time.Duration) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), within)
	defer cancel()
	poll := time.NewTicker(20 * time.Millisecond)
	defer poll.Stop()
	for {
		err := n.Ready(ctx)
		if err == nil {
			return
		}
		select {
		case <-poll.C:
		case <-ctx.Done():
			n.t.Fatalf("%s is not ready: %v\n%s", n.ID, err, tail(n.Log(), 20))
		}
	}
}
