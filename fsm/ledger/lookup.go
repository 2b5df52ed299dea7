package ledger

import (
	"strconv"

	"google.golang.org/protobuf/proto"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	pb "acquired/proto/acquired/v1"
	"acquired/proto/fault"
)

// maxLookupEntries is how many entries are looked at, shown or not.
const maxLookupEntries = 100_000

func lookup(v *command.Reading, req *pb.LookupRequest) (*pb.LookupResponse, error) {
	under, err := lookupPath(req)
	if err != nil {
		return nil, err
	}
	res, shown, size, looks := &pb.LookupResponse{}, seenBy(v, under), 0, 0
	for i, id := range req.Ids {
		if err := checkID(id); err != nil {
			return nil, in("id "+strconv.Itoa(i), err)
		}
		all := entriesOf(v, id)
		if looks += len(all); looks > maxLookupEntries {
			return nil, fault.Exhausted.New("the steps made over %d entries together: ask for fewer at once", maxLookupEntries)
		}
		for _, e := range all {
			if !e.kind.posts() {
				continue
			}
			debit, credit := accountOf(v, e.debit), accountOf(v, e.credit)
			if !shown.either(&debit, &credit) {
				continue
			}
			recorded := &pb.RecordedTransfer{
				Transfer: &pb.Transfer{
					Id: e.name, Debit: string(debit.path), Credit: string(credit.path),
					Amount: e.amount.Format(mustAsset(v, debit.asset).scale), Asset: debit.asset,
					EffectiveUnixNanos: e.effective, Description: e.description,
				},
				Index: e.id.Index, UnixNanos: e.time,
			}
			if size += proto.Size(recorded); size > maxAnswerBytes {
				return nil, fault.Exhausted.New("the transfers are over %d bytes together: ask for fewer at once", maxAnswerBytes)
			}
			res.Transfers = append(res.Transfers, recorded)
		}
	}
	return res, nil
}

// entriesOf gives the entries that the step with the id made.
func entriesOf(r kv.Reader, name string) []entry {
	s, ok := steps.Get(r, kv.StringKey(name))
	if !ok || s.entries == 0 {
		return nil
	}
	all := make([]entry, s.entries)
	for i := range all { // their ids follow each other
		all[i], ok = entries.Get(r, command.ID{Index: s.first.Index, Counter: s.first.Counter + uint32(i)})
		if !ok {
			panic("ledger: an entry of step " + name + " is missing")
		}
	}
	return all
}
