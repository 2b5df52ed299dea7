package main

import (
	"io"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"acquired/proto/fault"
	"acquired/server/pki"
)

// issuedCertificate is a new certificate, in a context.
type issuedCertificate struct {
	Principal string `json:"principal"`
	Expires   string `json:"expires"`
	// ContextFile holds the certificate and its key.
	ContextFile string `json:"context_file"`
}

func (c issuedCertificate) table(w io.Writer) {
	row(w, "principal", c.Principal)
	row(w, "expires", c.Expires)
	row(w, "context", c.ContextFile)
}

func identityCertificateCommand(g *globals) *cobra.Command {
	var files, contextPath string
	var operator bool
	cmd := &cobra.Command{
		Use:   "certificate PRINCIPAL",
		Short: "Make a certificate of a principal, with the key of the authority",
		Long: `certificate makes a key and a certificate by which PRINCIPAL calls for a year, and
writes a context that uses them. It needs the folder that cluster init made, with
ca.key in it, and speaks to no network. What the certificate allows is said by the
access tree, or everything for an operator, who is /user/NAME. identity revoke ends
it; one that is to replace it is made a minute later.`,
		Example: "  acquired identity certificate /workload/scheduler --files DIR --context-file scheduler.context",
		Args:    arguments(1, 1, "PRINCIPAL"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if files == "" || contextPath == "" {
				return usage("--files and --context-file are needed")
			}
			if fileExists(contextPath) {
				return fault.Exists.New("%s exists", contextPath)
			}
			principal, err := parsePath(args[0])
			if err != nil {
				return err
			}
			issued, err := writeCertificate(files, principal, operator, contextPath)
			if err != nil {
				return err
			}
			return g.output.show(cmd.OutOrStdout(), issued)
		},
	}
	cmd.Flags().StringVar(&files, "files", "", "folder that cluster init made")
	cmd.Flags().StringVar(&contextPath, "context-file", "", "write the context to this new file")
	cmd.Flags().BoolVar(&operator, "operator", false, "of an operator, who may do everything; PRINCIPAL is /user/NAME")
	return cmd
}

func writeCertificate(files, principal string, operator bool, contextPath string) (issued issuedCertificate, err error) {
	folder, err := readClusterFolder(files)
	if err != nil {
		return issued, err
	}
	first, err := readContextFile(filepath.Join(files, operatorContextFile))
	if err != nil {
		return issued, err
	}
	issue := folder.authority.IssuePrincipal
	if operator {
		issue = func(principal string, now time.Time) (pki.Pair, error) {
			return folder.authority.IssueOperator(strings.TrimPrefix(principal, "/user/"), now)
		}
	}
	pair, err := issue(principal, time.Now())
	if err != nil {
		return issued, &usageError{err}
	}
	c := contextFile{
		Cluster: first.Cluster, Addresses: first.Addresses, CA: first.CA,
		Certificate: string(pair.CertificatePEM), Key: string(pair.KeyPEM),
	}
	content, err := c.encode()
	if err != nil {
		return issued, err
	}
	issued = issuedCertificate{Principal: principal, ContextFile: contextPath}
	if _, issued.Expires, err = describeCertificate(c.Certificate); err != nil {
		return issued, err
	}
	return issued, writeSecret(contextPath, content)
}
