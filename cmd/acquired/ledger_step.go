package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"acquired/client"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// stepDone is what became of a step.
type stepDone struct {
	// ID is empty for a guard.
	ID string `json:"id"`
	// Step is what the step is called in the API: "transfer", "cash_cheque".
	Step  string `json:"step"`
	Index uint64 `json:"index"`
	// Amount is what it moved, reserved, released or extended by.
	Amount string `json:"amount"`
	// Hash is that of the document it made.
	Hash string `json:"hash"`
	// Existing: it stood in the books already.
	Existing bool `json:"existing"`
}

func (s stepDone) table(w io.Writer) {
	row(w, "id", s.ID)
	row(w, "index", number(s.Index))
	if s.Amount != "" {
		row(w, "amount", s.Amount)
	}
	if s.Hash != "" {
		row(w, "hash", s.Hash)
	}
	row(w, "existing", yesNo(s.Existing))
}

// nameStep gives what a step is called in the API, and its id.
func nameStep(step *pb.Step) (name, id string) {
	message := step.ProtoReflect()
	field := message.WhichOneof(message.Descriptor().Oneofs().ByName("step"))
	if field == nil {
		return "", ""
	}
	if f := field.Message().Fields().ByName("id"); f != nil {
		id = message.Get(field).Message().Get(f).String()
	}
	return string(field.Name()), id
}

// stepFlags are those of a command that is one step.
type stepFlags struct {
	request requestFlag
	id      string
	// chosen: the user did, and may want to use it again.
	chosen bool
}

// register takes what the id is one of.
func (s *stepFlags) register(flags *pflag.FlagSet, what string) {
	s.request.register(flags)
	flags.StringVar(&s.id, "id", "", "id of the "+what+", 1 to 128 bytes of A-Z a-z 0-9 and ._~:/@+-, unique in the cluster for ever (default: the request id)")
}

// resolve gives the id of the step.
func (s *stepFlags) resolve() string {
	s.chosen = s.id != "" || s.request.id != ""
	if s.id == "" {
		s.id = s.request.resolve()
	}
	return s.id
}

// one makes an op of one step and prints what became of it.
func (s *stepFlags) one(g *globals, cmd *cobra.Command, step *pb.Step) error {
	return g.ask(cmd, func(ctx context.Context, c *client.Client) (shape, error) {
		_, done, err := s.request.op(ctx, c, s.chosen, step)
		if err != nil {
			return nil, err
		}
		return done[0], nil
	})
}

// op makes an op of the steps, and gives what became of each, and where the last of
// them took effect. Their ids are chosen if the user gave them.
func (r *requestFlag) op(ctx context.Context, c *client.Client, chosen bool, steps ...*pb.Step) (index uint64, done []stepDone, err error) {
	answer, err := c.Ledger.Op(client.WithRequestID(ctx, r.resolve()), &pb.OpRequest{Steps: steps})
	if err != nil {
		return 0, nil, r.explain(r.hintKept(hintAccount(err), chosen))
	}
	if len(answer.Results) != len(steps) {
		return 0, nil, fmt.Errorf("asked for %d steps, the answer is about %d", len(steps), len(answer.Results))
	}
	done, newest := make([]stepDone, len(steps)), uint64(0)
	for i, result := range answer.Results {
		name, id := nameStep(steps[i])
		done[i] = stepDone{id, name, result.Index, result.Amount, result.Hash, result.Existing}
		newest = max(newest, result.Index)
	}
	return newest, done, nil
}

// hintKept says that a refusal is kept under an id, where the user may think that
// the same command will do once there are funds. An id that the user did not choose
// will not be sent again.
func (r *requestFlag) hintKept(err error, chosen bool) error {
	f, ok := errors.AsType[*fault.Fault](err)
	if !ok {
		return err
	}
	id := f.Details["kept_as"]
	if id == "" || id == r.id && !chosen {
		return err
	}
	if index := f.Details["failed_index"]; index != "" {
		return withHint(err, "that was the answer to the id %s at index %s, and is for ever: to try again, take another", id, index)
	}
	return withHint(err, "that is the answer to the id %s for ever: to try again, take another", id)
}

// sharesFlag says who is paid, in place of one account.
type sharesFlag struct{ shares []string }

func (f *sharesFlag) register(flags *pflag.FlagSet) {
	flags.StringArrayVar(&f.shares, "share", nil, "an account that is paid a part: ACCOUNT=AMOUNT, or ACCOUNT:WEIGHT for its weight's part of what the amounts leave; may be repeated, up to 64")
}

func (f *sharesFlag) parse() ([]*pb.Share, error) {
	shares := make([]*pb.Share, len(f.shares))
	for i, s := range f.shares {
		share, ok := parseShare(s)
		if !ok {
			return nil, usage("--share %q is neither ACCOUNT=AMOUNT nor ACCOUNT:WEIGHT, such as /account/a=1.50 or /account/a:3", s)
		}
		shares[i] = share
	}
	return shares, nil
}

// parseShare looks for the last mark, which is neither in an amount nor in a
// weight.
func parseShare(s string) (*pb.Share, bool) {
	at := strings.LastIndexAny(s, "=:")
	if at <= 0 || at == len(s)-1 {
		return nil, false
	}
	share := &pb.Share{Credit: s[:at]}
	if s[at] == '=' {
		share.Amount = s[at+1:]
		return share, true
	}
	weight, err := strconv.ParseUint(s[at+1:], 10, 64)
	share.Weight = weight
	return share, err == nil && weight > 0
}

func descriptionFlag(flags *pflag.FlagSet, description *string) {
	flags.StringVar(description, "description", "", "what to say of it in the books, at most 256 bytes (default: nothing)")
}
