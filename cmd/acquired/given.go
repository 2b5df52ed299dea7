package main

import (
	"slices"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// mayBeEmpty are the flags that may be given without a value: scripts begin to read
// with an empty cursor, and a description is for people.
var mayBeEmpty = []string{"after", "cursor", "description"}

// refuseEmptyArgument refuses what an unset variable of a script leaves: an amount
// that is left out is all there is.
func refuseEmptyArgument(cmd *cobra.Command, args []string, names string) error {
	at := slices.Index(args, "")
	if at < 0 {
		return nil
	}
	err := usage("%s takes %s, argument %d is empty", cmd.CommandPath(), names, at+1)
	return hintHelp(cmd, err)
}

// refuseEmptyFlag is refuseEmptyArgument for the flags that were given: without its
// value an id would be a random one, and a limit none.
func refuseEmptyFlag(cmd *cobra.Command) (err error) {
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && isEmpty(f.Value) && !slices.Contains(mayBeEmpty, f.Name) {
			err = usage("--%s is empty: a flag that is given has a value", f.Name)
		}
	})
	return hintHelp(cmd, err)
}

// hintHelp says where to read how a command is used. A nil err stays nil.
func hintHelp(cmd *cobra.Command, err error) error {
	return withHint(err, "%s --help", cmd.CommandPath())
}

func isEmpty(value pflag.Value) bool {
	if list, ok := value.(pflag.SliceValue); ok {
		return slices.Contains(list.GetSlice(), "")
	}
	return value.String() == ""
}

// requireFlag makes the absence of a flag wrong usage. (Cobra's own check
// speaks of no command and does not pass through the flag error function.)
func requireFlag(cmd *cobra.Command, name string) {
	check := cmd.PreRunE
	cmd.PreRunE = func(cmd *cobra.Command, args []string) error {
		if !cmd.Flags().Changed(name) {
			return hintHelp(cmd, usage("%s: --%s is missing", cmd.CommandPath(), name))
		}
		if check == nil {
			return nil
		}
		return check(cmd, args)
	}
}

// optional gives an argument that may be left out.
func optional(args []string, at int) string {
	if at < len(args) {
		return args[at]
	}
	return ""
}
