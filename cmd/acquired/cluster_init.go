package main

import (
	"fmt"
	"io"
	"path/filepath"
	"time"

	"github.com/spf13/cobra"

	"acquired/cmd/acquired/universe"
	"acquired/server/pki"
)

// operatorContextFile is, in the folder of a cluster, the context of who made it.
const operatorContextFile = "operator.context"

// universeFile is, in the folder of a cluster, the access tree to begin with.
const universeFile = "universe.yaml"

// clusterPlan is what cluster init and agent --dev make.
type clusterPlan struct {
	nodes    int
	host     string
	basePort int
	log      logConfig
}

func (p clusterPlan) validate() error {
	if p.nodes < 1 || p.nodes > maxInitialNodes {
		return usage("--nodes %d is not 1 to %d", p.nodes, maxInitialNodes)
	}
	if err := checkHost(p.host); err != nil {
		return err
	}
	return checkBasePort(p.basePort, p.nodes)
}

// write makes the folder of the cluster, all of it or nothing, and gives the
// cluster's id.
func (p clusterPlan) write(folder string) (cluster string, err error) {
	if err := p.validate(); err != nil {
		return "", err
	}
	cluster, err = newClusterID()
	if err != nil {
		return "", err
	}
	authority, err := pki.NewAuthority(cluster, time.Now())
	if err != nil {
		return "", err
	}
	keys, err := newClusterKeys()
	if err != nil {
		return "", err
	}
	return cluster, makeFolder(folder, func(folder string) error { return p.fill(folder, authority, keys) })
}

func (p clusterPlan) fill(folder string, authority *pki.Authority, keys clusterKeys) error {
	var nodes []nodeAddresses
	var ids, listens, gossips []string
	for i := range p.nodes {
		node := addressesOf(fmt.Sprintf("node%d", i+1), p.host, p.basePort+portStep*i)
		nodes = append(nodes, node)
		ids = append(ids, node.id)
		listens = append(listens, node.listen)
		gossips = append(gossips, node.gossip)
	}
	if err := writeAuthority(filepath.Join(folder, "ca"), authority); err != nil {
		return err
	}
	for _, node := range nodes {
		if err := writeNode(filepath.Join(folder, node.id), node, authority, keys, gossips, ids, p.log); err != nil {
			return err
		}
	}
	operator, err := operatorContext(authority, "operator", listens)
	if err != nil {
		return err
	}
	content, err := operator.encode()
	if err != nil {
		return err
	}
	if err := writeSecret(filepath.Join(folder, operatorContextFile), content); err != nil {
		return err
	}
	return writeSecret(filepath.Join(folder, universeFile), universe.StarterYAML)
}

// madeCluster is what cluster init says.
type madeCluster struct {
	Cluster string `json:"cluster"`
	Folder  string `json:"folder"`
	// Context is the file of the operator's context.
	Context string `json:"context"`
	// Universe is the file of an access tree to begin with. Nobody loads it yet.
	Universe string     `json:"universe"`
	Nodes    []madeNode `json:"nodes"`
}

type madeNode struct {
	ID     string `json:"id"`
	Config string `json:"config"`
}

func (m madeCluster) table(w io.Writer) {
	fmt.Fprintf(w, "cluster %s is in %s. Keep %s in a safe place: who has it can make operators.\n",
		m.Cluster, m.Folder, filepath.Join(m.Folder, "ca", "ca.key"))
	fmt.Fprintf(w, "\nStart the nodes, each in a terminal or on its own machine:\n\n")
	for _, node := range m.Nodes {
		fmt.Fprintf(w, "  acquired agent --config %s\n", node.Config)
	}
	fmt.Fprintf(w, "\nThen:\n\n")
	fmt.Fprintf(w, "  export ACQUIRED_CONTEXT=%s\n", m.Context)
	fmt.Fprintf(w, "  acquired cluster status\n")
	fmt.Fprintf(w, "  acquired acl load %s\n", m.Universe)
}

func clusterInitCommand(g *globals) *cobra.Command {
	plan := clusterPlan{nodes: 3, host: "127.0.0.1", basePort: defaultBasePort, log: logConfig{Level: "info", Format: "text"}}
	cmd := &cobra.Command{
		Use:   "init DIR",
		Short: "Make the certificates, keys and configurations of a new cluster",
		Long: `init makes, in a folder DIR that does not exist or is empty:

  ca/                 the certificate authority of the cluster
  node1/ node2/ ...   what each node needs; agent.yaml is its configuration
  operator.context    a context that may do all
  universe.yaml       an access tree to begin with, to be loaded when it suits

It speaks to no network. Node i listens at the base port + 10*(i-1) for gRPC and
raft, at the next port for gossip, at the one after that for HTTP, and on loopback
at the one after that for logins with ssh.`,
		Args: arguments(1, 1, "DIR"),
		RunE: func(cmd *cobra.Command, args []string) error {
			cluster, err := plan.write(args[0])
			if err != nil {
				return err
			}
			made := madeCluster{
				Cluster: cluster, Folder: args[0], Universe: filepath.Join(args[0], universeFile), Nodes: make([]madeNode, plan.nodes),
			}
			if made.Context, err = filepath.Abs(filepath.Join(args[0], operatorContextFile)); err != nil {
				return err
			}
			for i := range made.Nodes {
				id := fmt.Sprintf("node%d", i+1)
				made.Nodes[i] = madeNode{id, filepath.Join(args[0], id, "agent.yaml")}
			}
			return g.output.show(cmd.OutOrStdout(), made)
		},
	}
	cmd.Flags().IntVar(&plan.nodes, "nodes", plan.nodes, "how many nodes, 1 to 9")
	cmd.Flags().IntVar(&plan.basePort, "base-port", plan.basePort, "first port of the first node")
	cmd.Flags().StringVar(&plan.host, "host", plan.host, "name or address that the nodes listen at and are reached at")
	return cmd
}
