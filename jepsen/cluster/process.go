package cluster

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"
	"time"
)

// ConfigFile is the agent.yaml of the node.
func (n *Node) ConfigFile() string { return n.config }

// Folder is where agent.yaml and the keys of the node are.
func (n *Node) Folder() string { return filepath.Dir(n.config) }

// LogSize is how much the agent has logged until now, for LogSince.
func (n *Node) LogSize() int { return len(n.Log()) }

// LogSince gives what the agent logged after it had logged so much.
func (n *Node) LogSince(size int) []byte { return n.Log()[size:] }

// WaitLog waits until the agent has logged the text after so much of its log,
// and gives the line.
func (n *Node) WaitLog(since int, text string, within time.Duration) (line string) {
	n.t.Helper()
	n.cluster.eventually(within, func(context.Context) string {
		if line = lineWith(n.LogSince(since), text); line == "" {
			return fmt.Sprintf("%s did not log %q:\n%s", n.ID, text, tail(n.LogSince(since), 20))
		}
		return ""
	})
	return line
}

// WaitFile waits until the data of the node has a file that matches the pattern,
// as filepath.Glob has it.
func (n *Node) WaitFile(pattern string, within time.Duration) {
	n.t.Helper()
	pattern = filepath.Join(n.DataDir(), pattern)
	n.cluster.eventually(within, func(context.Context) string {
		if files, err := filepath.Glob(pattern); err != nil || len(files) == 0 {
			return fmt.Sprintf("%s has no file %s", n.ID, pattern)
		}
		return ""
	})
}

// WantEnd waits until the agent ends by itself, which must be with the status,
// and after a line, logged after so much of its log, that has the text. It gives
// the line.
func (n *Node) WantEnd(within time.Duration, since, status int, text string) (line string) {
	n.t.Helper()
	got := statusOf(n.WaitEnd(within))
	line = lineWith(n.LogSince(since), text)
	if got != status || line == "" {
		n.t.Fatalf("%s ended with status %d, want %d after it logged %q:\n%s", n.ID, got, status, text, tail(n.LogSince(since), 20))
	}
	n.t.Logf("%s: %s", n.ID, line)
	return line
}

// WantRefused runs an agent with the configuration, which must end at once with
// a message that has the text, and touch nothing.
func (c *Cluster) WantRefused(config, text string) {
	c.t.Helper()
	ctx, cancel := context.WithTimeout(c.t.Context(), time.Minute)
	defer cancel()
	output, err := c.Command(ctx, "agent", "--config", config).CombinedOutput()
	line := lineWith(output, text)
	if status := statusOf(err); status != 1 || line == "" {
		c.t.Errorf("an agent ended with status %d, want 1 and %q:\n%s", status, text, output)
	}
	c.t.Logf("refused: %s", line)
}

// statusOf gives the exit status of a process, or -1 if it had none.
func statusOf(err error) int {
	if err == nil {
		return 0
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode()
	}
	return -1
}

func lineWith(log []byte, text string) string {
	for line := range bytes.Lines(log) {
		if bytes.Contains(line, []byte(text)) {
			return string(bytes.TrimSpace(line))
		}
	}
	return ""
}

// Stranger takes up an agent whose files stand in the folder, and which is no
// node of the cluster. It is killed when the test ends.
func (c *Cluster) Stranger(id, folder string) *Node {
	n := &Node{ID: id, cluster: c, t: c.t, config: filepath.Join(folder, "agent.yaml"), log: filepath.Join(c.t.TempDir(), id+".log")}
	c.t.Cleanup(n.Kill)
	return n
}

// Move gives the node, which must not be running, ports that it did not have.
func (n *Node) Move() {
	n.t.Helper()
	port := freePorts(n.t, 4)
	at := func(offset int) string { return fmt.Sprintf("127.0.0.1:%d", port+offset) }
	n.Configure(func(config map[string]any) {
		config["listen"], config["http"], config["ssh"] = at(0), at(2), at(3)
		config["gossip"].(map[string]any)["listen"] = at(1)
	})
}
