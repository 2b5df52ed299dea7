package main

import (
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

func versionCommand(g *globals) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "Say which build this is",
		Args:  arguments(0, 0, "no arguments"),
		RunE: func(cmd *cobra.Command, _ []string) error {
			return g.output.show(cmd.OutOrStdout(), readBuild())
		},
	}
}

// build says where a binary comes from.
type build struct {
	// Version is the released version, or "(devel)".
	Version string `json:"version"`
	// Revision is the commit; empty when the build did not record it.
	Revision string `json:"revision"`
	// Modified is set for a build of files that differ from the commit.
	Modified bool   `json:"modified"`
	Time     string `json:"time"`
	Go       string `json:"go"`
	Platform string `json:"platform"`
}

func readBuild() build {
	b := build{Version: "(devel)", Go: runtime.Version(), Platform: runtime.GOOS + "/" + runtime.GOARCH}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return b
	}
	if info.Main.Version != "" {
		b.Version = info.Main.Version
	}
	for _, setting := range info.Settings {
		switch setting.Key {
		case "vcs.revision":
			b.Revision = setting.Value
		case "vcs.time":
			b.Time = setting.Value
		case "vcs.modified":
			b.Modified = setting.Value == "true"
		}
	}
	return b
}

func (b build) table(w io.Writer) {
	row(w, "version", b.Version)
	row(w, "revision", orDash(b.Revision))
	row(w, "modified", yesNo(b.Modified))
	row(w, "time", orDash(b.Time))
	row(w, "go", b.Go)
	row(w, "platform", b.Platform)
}
