package ledger

import (
	"slices"
	"strings"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/path"
	"acquired/fsm/tree"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

func mayChangeAccount(_ kv.Reader, req *pb.ChangeAccountRequest) ([]command.Need, error) {
	p, err := accountPath(req.Path)
	if err != nil {
		return nil, err
	}
	if err := checkPrincipal("owner", req.GetOwner()); err != nil {
		return nil, err
	}
	return needs(command.Admin, p), checkMetadata(req.Metadata)
}

func changeAccount(tx *command.Tx, req *pb.ChangeAccountRequest) (*pb.ChangeAccountResponse, error) {
	p, err := accountPath(req.Path)
	if err != nil {
		return nil, err
	}
	a, of, err := findAccount(tx, p)
	if err != nil {
		return nil, err
	}
	switch {
	case req.IfVersion != 0 && req.IfVersion != a.version:
		return nil, fault.Conflict.New("account %s has version %d, not %d", a.path, a.version, req.IfVersion).With("path", string(a.path))
	case a.state == closed:
		return nil, fault.Conflict.New("account %s is closed", a.path).With("path", string(a.path))
	}
	if err := changeLimits(&a, req, of.scale); err != nil {
		return nil, err
	}
	if req.DailyLimit != nil {
		if err := setDailyLimit(&a, *req.DailyLimit, of.scale); err != nil {
			return nil, err
		}
	}
	if req.HoldOverdraft != nil {
		a.holdOverdraft = *req.HoldOverdraft
	}
	if req.Owner != nil {
		a.owner = principalOf(*req.Owner)
	}
	if req.Frozen != nil {
		a.state = open
		if *req.Frozen {
			a.state = frozen
		}
	}
	if err := setMetadata(tx, a.id, req.Metadata); err != nil {
		return nil, err
	}
	a.version++
	accounts.Put(tx.Tx, a)
	auditOne(tx, &auditLine{what: describe("change", req.Path, req), accounts: []path.Path{a.path}})
	return &pb.ChangeAccountResponse{Index: tx.Index, Version: a.version}, nil
}

// changeLimits sets the limits that are given. None is set below what is used.
func changeLimits(a *account, req *pb.ChangeAccountRequest, scale uint8) error {
	if req.Overdraft != nil {
		if err := setOverdraft(a, *req.Overdraft, scale); err != nil {
			return err
		}
		if err := a.mustBearUse(scale); err != nil {
			return err
		}
	}
	if req.Ceiling == nil {
		return nil
	}
	if err := setCeiling(a, *req.Ceiling, scale); err != nil {
		return err
	}
	return a.mustBearBalance(scale)
}

func (a *account) mustBearUse(scale uint8) error {
	have, _ := a.creditsPosted.Add(a.overdraft)
	used, _ := a.debitsPosted.Add(a.debitsPending)
	if over, short := used.Sub(have); short && !over.IsZero() && !a.unlimited {
		return fault.Conflict.New("account %s uses %s %s more than an overdraft of %s allows",
			a.path, over.Format(scale), a.asset, a.overdraft.Format(scale)).With("path", string(a.path))
	}
	return nil
}

func (a *account) mustBearBalance(scale uint8) error {
	if !a.hasCeiling {
		return nil
	}
	most, _ := a.ceiling.Add(a.debitsPosted)
	have, _ := a.creditsPosted.Add(a.creditsPending)
	if over, above := have.Sub(most); above && !over.IsZero() {
		return fault.Conflict.New("account %s is %s %s above a ceiling of %s",
			a.path, over.Format(scale), a.asset, a.ceiling.Format(scale)).With("path", string(a.path))
	}
	return nil
}

func mayCloseAccount(_ kv.Reader, req *pb.CloseAccountRequest) ([]command.Need, error) {
	p, err := accountPath(req.Path)
	return needs(command.Admin, p), err
}

func closeAccount(tx *command.Tx, req *pb.CloseAccountRequest) (*pb.CloseAccountResponse, error) {
	p, err := accountPath(req.Path)
	if err != nil {
		return nil, err
	}
	a, of, err := findAccount(tx, p)
	switch {
	case err != nil:
		return nil, err
	case a.state == closed:
		return nil, fault.Conflict.New("account %s is closed", a.path).With("path", string(a.path))
	case !a.empty():
		return nil, fault.Conflict.New("account %s has %s: only an empty one is closed", a.path, a.holdings(of.scale)).With("path", string(a.path))
	}
	a.state = closed
	a.version++
	accounts.Put(tx.Tx, a)
	auditOne(tx, &auditLine{what: "close " + req.Path, accounts: []path.Path{a.path}})
	return &pb.CloseAccountResponse{Index: tx.Index}, nil
}

// leave takes an ephemeral account away that is empty. The journal still names it.
func leave(tx *command.Tx, a account) {
	accounts.Delete(tx.Tx, a.id)
	metadata.Delete(tx.Tx, a.id)
	gone.Insert(tx.Tx, a)
	noteDeparture(tx, &a)
	tree.CloseAccount(tx, a.path)
}

func checkMetadata(all []*pb.Metadatum) error {
	if len(all) > MaxMetadata {
		return fault.Invalid.New("%d metadata: an account has at most %d", len(all), MaxMetadata)
	}
	met := make(map[string]struct{}, len(all))
	for _, m := range all {
		if _, ok := met[m.Key]; ok {
			return fault.Invalid.New("metadata: key %s is given twice", quote(m.Key))
		}
		met[m.Key] = struct{}{}
		if !isMetadataKey(m.Key) {
			return fault.Invalid.New("metadata: key %s: it is 1 to %d of a-z, 0-9 and ._-", quote(m.Key), MaxMetadataKey)
		}
		if err := checkText("metadata "+m.Key, m.Value, 0, MaxMetadataValue); err != nil {
			return err
		}
	}
	return nil
}

func isMetadataKey(s string) bool {
	for i := range len(s) {
		c := s[i]
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') && c != '.' && c != '_' && c != '-' {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= MaxMetadataKey
}

// setMetadata sets metadata of the account; those without a value go.
func setMetadata(tx *command.Tx, id command.ID, all []*pb.Metadatum) error {
	if len(all) == 0 {
		return nil
	}
	p, _ := metadata.Get(tx, id)
	p.account, p.metadata = id, slices.Clone(p.metadata)
	for _, m := range all {
		at, ok := slices.BinarySearchFunc(p.metadata, m.Key, func(x metadatum, key string) int { return strings.Compare(x.key, key) })
		switch {
		case m.Value == "" && ok:
			p.metadata = slices.Delete(p.metadata, at, at+1)
		case m.Value == "":
		case ok:
			p.metadata[at].value = m.Value
		default:
			p.metadata = slices.Insert(p.metadata, at, metadatum{m.Key, m.Value})
		}
	}
	if len(p.metadata) > MaxMetadata {
		return fault.Invalid.New("%d metadata: an account has at most %d", len(p.metadata), MaxMetadata)
	}
	if len(p.metadata) == 0 {
		metadata.Delete(tx.Tx, id)
		return nil
	}
	metadata.Put(tx.Tx, p)
	return nil
}
