package identity

import (
	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
)

// demonstration says that principals without a proof of their own may call by
// their name alone.
type demonstration struct{ on bool }

const theDemonstration = kv.StringKey("demo")

var demonstrations = kv.NewTable(&Schema, "identity/demo", kv.Codec[demonstration]{
	Append: func(b []byte, d demonstration) []byte { return kv.AppendBool(b, d.on) },
	Decode: func(b []byte) (demonstration, error) {
		d := kv.NewDecoder(b)
		x := demonstration{d.Bool()}
		return x, d.Err()
	},
}, func(demonstration) kv.StringKey { return theDemonstration }, kv.Resident)

// SetDemo lets principals without a proof of their own call by their name alone,
// or ends that.
func SetDemo(tx *command.Tx, on bool) { demonstrations.Put(tx.Tx, demonstration{on}) }

func demo(r kv.Reader) bool {
	d, _ := demonstrations.Get(r, theDemonstration)
	return d.on
}

// proves says whether the principal has a proof of its own, so that its name
// alone is none: an ssh key, or a clause that says who may vouch for it, unless
// that has ended.
func proves(r kv.Reader, p path.Path, now int64) bool {
	for _, text := range tree.Texts(r, p) {
		if text.Tag == tree.TagSSHKey && !text.Ended(now) {
			return true
		}
	}
	for above := range p.Ancestors() {
		for _, c := range tree.Clauses(r, above) {
			if c.Operation == command.VouchFor && len(c.Sets) > 0 && !c.Ended(now) && (!c.Local || above == p) {
				return true
			}
		}
	}
	return false
}

// SSHKeys gives the ssh keys of the principal that are in force at the log time,
// as lines of an authorized_keys file. There are none of what is no principal.
func SSHKeys(r kv.Reader, p path.Path, now int64) (lines []string) {
	if !IsPrincipal(tree.Find(r, p)) {
		return nil
	}
	for _, text := range tree.Texts(r, p) {
		if text.Tag == tree.TagSSHKey && text.InForce(now) {
			lines = append(lines, text.Text)
		}
	}
	return lines
}
