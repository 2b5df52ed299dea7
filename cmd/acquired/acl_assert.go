package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"acquired/client"
	"acquired/cmd/acquired/universe"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// assertionResults say which assertions hold.
type assertionResults struct {
	Passed  int               `json:"passed"`
	Failed  int               `json:"failed"`
	Results []assertionResult `json:"results"`
}

type assertionResult struct {
	// Line is where it is in its file.
	Line      int    `json:"line"`
	Assertion string `json:"assertion"`
	Passed    bool   `json:"passed"`
	// Error is why it cannot be told; empty is that it can.
	Error string `json:"error,omitempty"`
	// Counterexamples are the first of Count.
	Counterexamples []counterexample `json:"counterexamples"`
	Count           int              `json:"count"`
}

type counterexample struct {
	// Principal is empty when it is that nobody may.
	Principal string `json:"principal"`
	Operation string `json:"operation"`
	Path      string `json:"path"`
	Allowed   bool   `json:"allowed"`
}

func describeResults(results []universe.Result) assertionResults {
	all := assertionResults{Results: make([]assertionResult, len(results))}
	for i, r := range results {
		one := assertionResult{
			Line: r.Assertion.Line, Assertion: r.Assertion.Text, Passed: r.Passed,
			Counterexamples: make([]counterexample, len(r.Counterexamples)), Count: r.Count,
		}
		if r.Err != nil {
			one.Error = r.Err.Error()
		}
		for j, c := range r.Counterexamples {
			one.Counterexamples[j] = counterexample(c)
		}
		if r.Passed {
			all.Passed++
		} else {
			all.Failed++
		}
		all.Results[i] = one
	}
	return all
}

func (a assertionResults) table(w io.Writer) {
	for _, r := range a.Results {
		if r.Passed {
			continue
		}
		fmt.Fprintf(w, "line %d: %s\n", r.Line, oneLine(r.Assertion))
		if r.Error != "" {
			fmt.Fprintf(w, "  %s\n", printable(r.Error))
		}
		for _, c := range r.Counterexamples {
			fmt.Fprintf(w, "  %s\n", universe.Counterexample(c))
		}
		if more := r.Count - len(r.Counterexamples); more > 0 {
			fmt.Fprintf(w, "  and %d more\n", more)
		}
	}
	fmt.Fprintf(w, "%d passed, %d failed\n", a.Passed, a.Failed)
}

// verify refuses when an assertion does not hold.
func (a assertionResults) verify() error {
	if a.Failed == 0 {
		return nil
	}
	return fault.Conflict.New("%d of %d assertions do not hold", a.Failed, len(a.Results))
}

func aclTestCommand(g *globals) *cobra.Command {
	var flags universeFlags
	var universeFile string
	cmd := &cobra.Command{
		Use:   "test FILE",
		Short: "Check assertions about who may do what",
		Long: `test reads assertions, one a line, and ends with status 1 if one does not hold:

  /user/physics/alice may Read /data/physics
  alice may not Write,Admin /data/physics/**
  nobody outside /user/physics may View /data/physics/**
  everybody under /user/physics may View /data/physics
  somebody may Admin /
  only /user/centre may Spend /account/centre

"/**" is the path and all below. What follows "#" is a comment.

It asks the cluster, as somebody who should see everything; with --universe it
asks nobody, and checks them on a file of acl load.`,
		Example: `  acquired acl test assertions.txt
  acquired acl test assertions.txt --universe universe.yaml`,
		Args: arguments(1, 1, "FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			assertions, err := readAssertions(cmd.InOrStdin(), args[0])
			if err != nil {
				return err
			}
			evaluate := g.evaluateOnCluster
			if universeFile != "" {
				evaluate = func(cmd *cobra.Command, assertions []universe.Assertion) ([]universe.Result, error) {
					return evaluateOnFile(cmd.InOrStdin(), &flags, universeFile, assertions)
				}
			}
			evaluated, err := evaluate(cmd, assertions)
			if err != nil {
				return err
			}
			results := describeResults(evaluated)
			if err := g.output.show(cmd.OutOrStdout(), results); err != nil {
				return err
			}
			return results.verify()
		},
	}
	flags.registerFormat(cmd.Flags())
	cmd.Flags().StringVar(&universeFile, "universe", "", "check them on this file of acl load (default: on the cluster)")
	return cmd
}

func readAssertions(in io.Reader, name string) ([]universe.Assertion, error) {
	content, err := readLarge(in, name)
	if err != nil {
		return nil, err
	}
	assertions, err := universe.ParseAssertions(content, name)
	if err != nil {
		return nil, &usageError{err}
	}
	if len(assertions) == 0 {
		return nil, usage("%s has no assertions", name)
	}
	return assertions, nil
}

func (g *globals) evaluateOnCluster(cmd *cobra.Command, assertions []universe.Assertion) ([]universe.Result, error) {
	c, err := g.connect(cmd.Context())
	if err != nil {
		return nil, err
	}
	defer c.Close()
	results, err := universe.Evaluate(assertions, clusterOracle(cmd.Context(), c))
	return results, hintRead(err)
}

// clusterOracle answers for a cluster, as far as the caller sees it.
func clusterOracle(ctx context.Context, c *client.Client) universe.Oracle {
	return universe.Oracle{
		Principals: func(under string) ([]string, error) {
			return principalsUnder(under, func(path string) ([]listedNode, error) { return listBelow(ctx, c, path) })
		},
		Paths: func(under string) ([]string, error) {
			nodes, err := listBelow(ctx, c, under)
			if errors.Is(err, fault.NotFound) {
				return nil, nil
			}
			if err != nil {
				return nil, err
			}
			paths := []string{under}
			for _, n := range nodes {
				paths = append(paths, n.Path)
			}
			return paths, nil
		},
		Check: func(principal string, operations, paths []string) ([]uint32, error) {
			answer, err := c.Acl.CheckMany(ctx, &pb.CheckManyRequest{Principal: principal, Paths: paths, Operations: operations})
			return answer.GetAllowed(), err
		},
	}
}

func listBelow(ctx context.Context, c *client.Client, path string) ([]listedNode, error) {
	nodes, _, err := pages(&limitFlag{}, func(cursor string, most uint32) ([]listedNode, string, error) {
		answer, err := c.Acl.List(ctx, &pb.ListRequest{Path: path, Recursive: true, Cursor: cursor, Limit: most})
		return describeList(answer), answer.GetCursor(), err
	})
	return nodes, err
}

// principalsUnder gives the leaves below the folders of principals that are at
// or below the path; "" is all.
func principalsUnder(under string, list func(path string) ([]listedNode, error)) ([]string, error) {
	var principals []string
	for _, top := range []string{"/user", "/workload"} {
		nodes, err := list(top)
		if err != nil && !errors.Is(err, fault.NotFound) {
			return nil, err
		}
		for _, n := range nodes {
			if n.Kind == "leaf" && (under == "" || under == "/" || n.Path == under || strings.HasPrefix(n.Path, under+"/")) {
				principals = append(principals, n.Path)
			}
		}
	}
	return principals, nil
}
