package main

import (
	"context"
	"io"
	"strings"

	"github.com/spf13/cobra"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func identityIssuerCommand(g *globals) *cobra.Command {
	return nounCommand("issuer", "Outside issuers of JWTs that are trusted",
		identityIssuerPutCommand(g),
		identityIssuerRemoveCommand(g),
		identityIssuerListCommand(g),
	)
}

// issuerAlgorithms are those that tokens may be signed with.
var issuerAlgorithms = []string{"RS256", "ES256", "EdDSA", "HS256"}

func identityIssuerPutCommand(g *globals) *cobra.Command {
	var request requestFlag
	var scopes []string
	var keyFile string
	issuer := &pb.Issuer{}
	cmd := &cobra.Command{
		Use:   "put ISSUER",
		Short: "Trust an outside issuer of JWTs, or change how",
		Long: `put trusts the tokens whose "iss" is ISSUER, whose "aud" has the audience, and that
one of the keys has signed. The token's "sub" stands for {sub} in the path of the
principal. A scope of a token may give roles beside those that the principal holds.

The keys are a JWK Set, a JWK or PEM; for HS256 the file is the secret itself,
which only its owner may be able to read.`,
		Example: "  acquired identity issuer put https://sso.example.org --audience acquired --algorithm RS256 --subject '/user/sso/{sub}' --keys jwks.json --scope jobs=/role/submitter",
		Args:    arguments(1, 1, "ISSUER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			issuer.Issuer = args[0]
			var err error
			if issuer.Scopes, err = parseScopes(scopes); err != nil {
				return err
			}
			keys, err := readIssuerKeys(cmd.InOrStdin(), keyFile, issuer.Algorithm)
			if err != nil {
				return err
			}
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				ctx = client.WithRequestID(ctx, request.resolve())
				answer, err := c.Identity.PutIssuer(ctx, &pb.PutIssuerRequest{Issuer: issuer, Keys: keys})
				if err != nil {
					return nil, request.explain(err)
				}
				return written{answer.Index}, nil
			})
		},
	}
	request.register(cmd.Flags())
	cmd.Flags().StringVar(&issuer.Audience, "audience", "", `what the "aud" of a token must be or contain`)
	cmd.Flags().Var(&choice[string]{&issuer.Algorithm, issuerAlgorithms}, "algorithm", "what tokens are signed with: "+strings.Join(issuerAlgorithms, ", "))
	cmd.Flags().StringVar(&issuer.Subject, "subject", "", "path of the principal of a token; one segment of it is {sub}")
	cmd.Flags().StringVar(&keyFile, "keys", "", `file of the keys; "-" is standard input`)
	cmd.Flags().StringArrayVar(&scopes, "scope", nil, "SCOPE=ROLE[,ROLE...]: roles that a scope of a token gives; may be repeated")
	for _, name := range []string{"audience", "algorithm", "subject", "keys"} {
		requireFlag(cmd, name)
	}
	return cmd
}

func parseScopes(texts []string) ([]*pb.ScopeRoles, error) {
	scopes := make([]*pb.ScopeRoles, len(texts))
	for i, text := range texts {
		scope, roles, ok := strings.Cut(text, "=")
		if !ok || scope == "" {
			return nil, usage("--scope %q is not SCOPE=ROLE[,ROLE...]", text)
		}
		scopes[i] = &pb.ScopeRoles{Scope: scope}
		for name := range strings.SplitSeq(roles, ",") {
			p, err := parsePath(strings.TrimSpace(name))
			if err != nil {
				return nil, err
			}
			scopes[i].Roles = append(scopes[i].Roles, p)
		}
	}
	return scopes, nil
}

// readIssuerKeys reads public keys, or a secret, which others must not be able
// to read.
func readIssuerKeys(in io.Reader, name, algorithm string) ([]byte, error) {
	if algorithm == "HS256" && name != "-" {
		return readSecret(name)
	}
	return readInput(in, name)
}

func identityIssuerRemoveCommand(g *globals) *cobra.Command {
	var request requestFlag
	cmd := &cobra.Command{
		Use:     "rm ISSUER",
		Short:   "Trust an outside issuer no longer; its tokens are refused from then on",
		Example: "  acquired identity issuer rm https://sso.example.org",
		Args:    arguments(1, 1, "ISSUER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				ctx = client.WithRequestID(ctx, request.resolve())
				answer, err := c.Identity.RemoveIssuer(ctx, &pb.RemoveIssuerRequest{Issuer: args[0]})
				if fault.KindOf(err) == fault.NotFound {
					err = withHint(err, "acquired identity issuer list")
				}
				if err != nil {
					return nil, request.explain(err)
				}
				return written{answer.Index}, nil
			})
		},
	}
	request.register(cmd.Flags())
	return cmd
}

// issuerList are the issuers that are trusted.
type issuerList struct {
	Issuers []listedIssuer `json:"issuers"`
}

type listedIssuer struct {
	Issuer    string        `json:"issuer"`
	Audience  string        `json:"audience"`
	Algorithm string        `json:"algorithm"`
	Subject   string        `json:"subject"`
	Scopes    []listedScope `json:"scopes"`
}

type listedScope struct {
	Scope string   `json:"scope"`
	Roles []string `json:"roles"`
}

func (l issuerList) table(w io.Writer) {
	row(w, "ISSUER", "AUDIENCE", "ALGORITHM", "SUBJECT", "SCOPES")
	for _, i := range l.Issuers {
		scopes := make([]string, len(i.Scopes))
		for j, s := range i.Scopes {
			scopes[j] = s.Scope + "=" + strings.Join(s.Roles, ",")
		}
		row(w, oneLine(i.Issuer), oneLine(i.Audience), i.Algorithm, i.Subject, orDash(oneLine(strings.Join(scopes, " "))))
	}
}

func identityIssuerListCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "List the outside issuers that are trusted",
		Example: "  acquired identity issuer list",
		Args:    arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
				answer, err := c.Identity.Issuers(ctx, &pb.IssuersRequest{})
				if err != nil {
					return nil, hintRead(err)
				}
				list := issuerList{make([]listedIssuer, len(answer.Issuers))}
				for i, issuer := range answer.Issuers {
					list.Issuers[i] = describeIssuer(issuer)
				}
				return list, nil
			})
		},
	}
}

func describeIssuer(issuer *pb.Issuer) listedIssuer {
	described := listedIssuer{
		Issuer: issuer.Issuer, Audience: issuer.Audience, Algorithm: issuer.Algorithm, Subject: issuer.Subject,
		Scopes: make([]listedScope, len(issuer.Scopes)),
	}
	for i, s := range issuer.Scopes {
		described.Scopes[i] = listedScope{s.Scope, append([]string{}, s.Roles...)}
	}
	return described
}
