package main

import (
	"crypto/x509"
	"encoding/pem"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

func contextCommand(g *globals) *cobra.Command {
	return nounCommand("context", "Choose the cluster to speak to, and as whom",
		contextListCommand(g),
		contextUseCommand(g),
		contextShowCommand(g),
	)
}

type contextList struct {
	Contexts []listedContext `json:"contexts"`
}

type listedContext struct {
	Name    string `json:"name"`
	Current bool   `json:"current"`
	// File is where it is kept.
	File string `json:"file"`
}

func (l contextList) table(w io.Writer) {
	row(w, "CURRENT", "NAME", "FILE")
	for _, c := range l.Contexts {
		mark := ""
		if c.Current {
			mark = "*"
		}
		row(w, mark, c.Name, c.File)
	}
}

func contextListCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "list",
		Short: "List the named contexts",
		Args:  arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			contexts, err := openContexts()
			if err != nil {
				return err
			}
			names, err := contexts.names()
			if err != nil {
				return err
			}
			current, err := contexts.current()
			if err != nil {
				return err
			}
			list := contextList{Contexts: make([]listedContext, len(names))}
			for i, name := range names {
				list.Contexts[i] = listedContext{name, name == current, contexts.path(name)}
			}
			return g.output.show(cmd.OutOrStdout(), list)
		},
	}
}

type usedContext struct {
	Name string `json:"name"`
}

func (u usedContext) table(w io.Writer) { row(w, "current", u.Name) }

func contextUseCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:               "use NAME",
		Short:             "Make a named context the current one",
		Args:              arguments(1, 1, "NAME"),
		ValidArgsFunction: completeContext,
		RunE: func(cmd *cobra.Command, args []string) error {
			contexts, err := openContexts()
			if err != nil {
				return err
			}
			if err := checkContextName(args[0]); err != nil {
				return err
			}
			if !contexts.exists(args[0]) {
				return withHint(usage("there is no context %q", args[0]),
					"acquired context list; a context is a file %s", contexts.path("NAME"))
			}
			if err := contexts.setCurrent(args[0]); err != nil {
				return err
			}
			return g.output.show(cmd.OutOrStdout(), usedContext{args[0]})
		},
	}
}

func completeContext(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	contexts, err := openContexts()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	names, err := contexts.names()
	if err != nil {
		return nil, cobra.ShellCompDirectiveError
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}

// shownContext is what may be seen of a context: no key and no token.
type shownContext struct {
	// Name is empty for a file that is no named context.
	Name      string   `json:"name"`
	File      string   `json:"file"`
	Cluster   string   `json:"cluster"`
	Addresses []string `json:"addresses"`
	// Credential is "certificate", "token", or "none" for a context that is good
	// for a login only.
	Credential string `json:"credential"`
	// Subject and Expires are of the certificate; acquired identity inspect says
	// them of a token.
	Subject string `json:"subject"`
	Expires string `json:"expires"`
}

func (c shownContext) table(w io.Writer) {
	row(w, "name", orDash(c.Name))
	row(w, "file", c.File)
	row(w, "cluster", c.Cluster)
	row(w, "addresses", strings.Join(c.Addresses, " "))
	row(w, "credential", c.Credential)
	row(w, "subject", orDash(c.Subject))
	row(w, "expires", orDash(c.Expires))
}

func contextShowCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "Say which context is used, without its secrets",
		Args:  arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			contexts, err := openContexts()
			if err != nil {
				return err
			}
			name, path, err := contexts.locate(g.context)
			if err != nil {
				return err
			}
			c, err := contexts.load(g.context)
			if err != nil {
				return err
			}
			shown := shownContext{Name: name, File: path, Cluster: c.Cluster, Addresses: c.Addresses, Credential: c.credential()}
			if c.Certificate != "" {
				if shown.Subject, shown.Expires, err = describeCertificate(c.Certificate); err != nil {
					return usage("%s: certificate: %w", path, err)
				}
			}
			return g.output.show(cmd.OutOrStdout(), shown)
		},
	}
}

func describeCertificate(text string) (subject, expires string, err error) {
	block, _ := pem.Decode([]byte(text))
	if block == nil {
		return "", "", usage("it is not PEM")
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return "", "", err
	}
	return certificate.Subject.CommonName, certificate.NotAfter.UTC().Format(time.RFC3339), nil
}
