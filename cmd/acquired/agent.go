package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"acquired/proto/fault"
	"acquired/server"
	"acquired/server/pki"
	"acquired/server/seal"
)

// stopTimeout is how long a node may take to hand over what it does and to
// flush what it holds.
const stopTimeout = 30 * time.Second

func agentCommand() *cobra.Command {
	var config string
	var dev bool
	var flags devFlags
	cmd := &cobra.Command{
		Use:   "agent --config FILE | --dev",
		Short: "Run a node",
		Long: `agent runs a node until it is told to stop: SIGINT and SIGTERM let it hand over
what it does, a second one ends it at once. It ends with status 4 when it cannot
trust its storage or its state.

--dev runs a cluster of one node with nothing to configure, for a try.`,
		Args: arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if dev == (config != "") {
				return withHint(usage("agent takes either --config FILE or --dev"), "acquired agent --help")
			}
			if dev {
				flags.basePortGiven = cmd.Flags().Changed("base-port")
				return flags.run(cmd)
			}
			if cmd.Flags().Changed("base-port") || cmd.Flags().Changed("data") {
				return usage("--base-port and --data are for --dev; the configuration file has its own")
			}
			c, err := readAgentConfig(config)
			if err != nil {
				return err
			}
			return c.run(cmd.Context(), cmd.ErrOrStderr(), nil)
		},
	}
	cmd.Flags().StringVar(&config, "config", "", "agent.yaml of the node")
	cmd.Flags().BoolVar(&dev, "dev", false, "one node on this machine's loopback, everything generated")
	cmd.Flags().IntVar(&flags.basePort, "base-port", defaultBasePort, "with --dev: first of the three ports")
	cmd.Flags().StringVar(&flags.data, "data", "", "with --dev: keep everything in this folder, and go on with it the next time")
	return cmd
}

// run runs the node until ctx ends or the node has left its cluster. When the
// node listens, it calls started, if there is one, whose error ends it.
func (c agentConfig) run(ctx context.Context, logTo io.Writer, started func(*server.Node) error) error {
	log, err := c.Log.logger(logTo)
	if err != nil {
		return err
	}
	config, err := c.server(log)
	if err != nil {
		return err
	}
	left := make(chan struct{})
	config.Left = func() { close(left) }
	node, err := server.Start(ctx, config)
	if errors.Is(err, fault.Invalid) {
		return &usageError{err}
	}
	if errors.Is(err, syscall.EADDRINUSE) {
		return withHint(err, "another agent uses the address; --dev takes other ports with --base-port, agent.yaml names them")
	}
	if err != nil {
		return fmt.Errorf("start node %s: %w", c.Node, err)
	}
	if started != nil {
		err = started(node)
	}
	switch {
	case ctx.Err() != nil:
		err = nil
	case err == nil:
		select {
		case <-ctx.Done():
		case <-left:
		}
	}
	stopping, cancel := context.WithTimeout(context.WithoutCancel(ctx), stopTimeout)
	defer cancel()
	return errors.Join(err, node.Stop(stopping))
}

// server gives the configuration of the node, with the files it names read.
func (c agentConfig) server(log *slog.Logger) (server.Config, error) {
	credentials, err := c.credentials()
	if err != nil {
		return server.Config{}, err
	}
	gossip, err := c.gossip()
	if err != nil {
		return server.Config{}, err
	}
	encoded, err := readSecret(c.path(c.SealingKey))
	if err != nil {
		return server.Config{}, err
	}
	sealing, err := seal.ParseKEK(encoded)
	if err != nil {
		return server.Config{}, usage("%s: %w", c.path(c.SealingKey), err)
	}
	return server.Config{
		Node:             c.Node,
		Cluster:          c.Cluster,
		DataDir:          c.path(c.Data),
		Listen:           c.Listen,
		Advertise:        c.Advertise,
		HTTPListen:       c.HTTP,
		SSHListen:        c.SSH,
		Gossip:           gossip,
		Credentials:      credentials,
		KeyEncryptionKey: sealing,
		InitialNodes:     c.InitialNodes,
		Limits: server.Limits{
			SnapshotEntries: c.Limits.SnapshotEntries,
			SnapshotBytes:   c.Limits.SnapshotBytes,
			TrailingEntries: c.Limits.TrailingEntries,
		},
		Log: log,
		Fatal: func(err error) {
			log.LogAttrs(context.Background(), slog.LevelError, "the node cannot go on", slog.Any("error", err))
			os.Exit(statusFatal)
		},
	}, nil
}

func (c agentConfig) credentials() (*pki.Credentials, error) {
	authority, err := os.ReadFile(c.path(c.TLS.CA))
	if err != nil {
		return nil, &usageError{err}
	}
	certificate, err := os.ReadFile(c.path(c.TLS.Certificate))
	if err != nil {
		return nil, &usageError{err}
	}
	key, err := readSecret(c.path(c.TLS.Key))
	if err != nil {
		return nil, err
	}
	credentials, err := pki.LoadCredentials(authority, certificate, key, time.Now())
	if err != nil {
		return nil, usage("tls: %w", err)
	}
	return credentials, nil
}

func (c agentConfig) gossip() (*server.GossipConfig, error) {
	encoded, err := readSecret(c.path(c.Gossip.Key))
	if err != nil {
		return nil, err
	}
	key, err := parseGossipKey(encoded)
	if err != nil {
		return nil, usage("%s: %w", c.path(c.Gossip.Key), err)
	}
	return &server.GossipConfig{Listen: c.Gossip.Listen, Join: c.Gossip.Join, Key: key}, nil
}

// logger gives the log of the node.
func (l logConfig) logger(w io.Writer) (*slog.Logger, error) {
	level, err := l.level()
	if err != nil {
		return nil, &usageError{err}
	}
	options := &slog.HandlerOptions{Level: level}
	if l.Format == "json" {
		return slog.New(slog.NewJSONHandler(w, options)), nil
	}
	return slog.New(slog.NewTextHandler(w, options)), nil
}
