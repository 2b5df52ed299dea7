package fsm

import (
	"crypto/sha256"

	"acquired/fsm/command"
	"acquired/fsm/kv"
	"acquired/fsm/ledger"
	"acquired/fsm/tree"
	statev1 "acquired/proto/acquired/state/v1"
	"acquired/proto/fault"
)

// The answer to a command is kept, under the principal and the request id, so
// that a command sent again gets the answer of the first time. An answer is
// kept until it is AnswerAge old, or more than the limits below came after it;
// a caller must not send a command again later than that.
const (
	// AnswerAge is in nanoseconds of log time: 15 minutes.
	AnswerAge = 15 * 60 * 1_000_000_000
	// AnswerLimit is how many answers are kept.
	AnswerLimit = 1 << 20
	// AnswerBytes is how large the kept responses and refusals may be together.
	AnswerBytes = 256 << 20
)

// answer is what was answered to a request.
type answer struct {
	id        command.ID
	principal string
	request   string
	// digest is of the command's name and body: another command under the same
	// request id is a mistake of the caller, and is told so.
	digest   string
	time     int64
	response []byte
	refusal  *fault.Fault
}

var answers = kv.NewTable(&schema, "machine/answer", kv.Codec[answer]{
	Append: appendAnswer,
	Decode: decodeAnswer,
}, func(a answer) command.ID { return a.id }, kv.Bookkeeping)

var answersByRequest = kv.NewUnique(&schema, answers, "machine/answer_by_request", func(a answer) requestKey {
	return requestKey{a.principal, a.request}
})

type requestKey struct {
	principal, request string
}

// AppendKey implements kv.Key.
func (k requestKey) AppendKey(b []byte) []byte {
	return kv.StringKey(k.request).AppendKey(kv.StringKey(k.principal).AppendKey(b))
}

func appendAnswer(b []byte, a answer) []byte {
	b = command.AppendID(b, a.id)
	b = kv.AppendString(b, a.principal)
	b = kv.AppendString(b, a.request)
	b = kv.AppendString(b, a.digest)
	b = kv.AppendInt(b, a.time)
	b = kv.AppendString(b, a.response)
	b = kv.AppendBool(b, a.refusal != nil)
	if a.refusal == nil {
		return b
	}
	return command.AppendFault(b, a.refusal)
}

func decodeAnswer(b []byte) (answer, error) {
	d := kv.NewDecoder(b)
	a := answer{
		id: command.DecodeID(&d), principal: d.String(), request: d.String(),
		digest: d.String(), time: d.Int(), response: d.Bytes(),
	}
	if !d.Bool() {
		return a, d.Err()
	}
	a.refusal = command.DecodeFault(&d)
	return a, d.Err()
}

func digest(c *statev1.Command) string {
	h := sha256.New()
	h.Write([]byte(c.Name))
	h.Write([]byte{0})
	h.Write(c.Body)
	return string(h.Sum(nil)[:16])
}

// answered gives the kept answer to the command, if there is one. Commands of
// the cluster itself have no request id: they may be applied any number of
// times.
func answered(tx *command.Tx, c *statev1.Command) (Result, bool) {
	if c.RequestId == "" {
		return Result{}, false
	}
	a, ok := answersByRequest.Find(tx, requestKey{c.Caller.GetPrincipal(), c.RequestId})
	switch {
	case !ok:
		return Result{}, false
	case a.digest != digest(c):
		return Result{Index: tx.Index, Err: fault.Conflict.New("request id %q was used for another request", c.RequestId).
			With("request_id", c.RequestId)}, true
	case a.refusal != nil:
		return Result{Index: a.id.Index, Err: a.refusal}, true
	}
	return Result{Index: a.id.Index, Body: a.response}, true
}

func keepAnswer(tx *command.Tx, at *position, c *statev1.Command, result Result) {
	refusal, _ := result.Err.(*fault.Fault)
	if c.RequestId == "" || refusal != nil && refusal.Kind == fault.Unavailable {
		return // what was not served is to be sent again
	}
	a := answer{
		id: tx.NewID(), principal: c.Caller.GetPrincipal(), request: c.RequestId, digest: digest(c),
		time: tx.Time, response: result.Body, refusal: refusal,
	}
	answers.Insert(tx.Tx, a)
	at.answers++
	at.answerBytes += a.size()
}

// size is how many bytes what was answered has.
func (a *answer) size() uint64 {
	size := len(a.response)
	if a.refusal != nil {
		size += len(a.refusal.Message)
		for _, key := range a.refusal.DetailKeys() {
			size += len(key) + len(a.refusal.Details[key])
		}
	}
	return uint64(size)
}

// pruneAnswers drops answers that need not be kept any more: somewhat more than
// an entry adds, so that what is too much goes in small steps.
func pruneAnswers(tx *command.Tx, at *position, commands int) {
	steps := 2*commands + 64
	var drop []answer
	for a := range answers.From(tx, at.oldestAnswer) {
		old := tx.Time-a.time >= AnswerAge
		if steps == 0 || !old && at.answers <= AnswerLimit && at.answerBytes <= AnswerBytes {
			at.oldestAnswer = a.id
			break
		}
		at.answers--
		at.answerBytes -= a.size()
		at.oldestAnswer = a.id
		drop = append(drop, a)
		steps--
	}
	for _, a := range drop {
		answers.Delete(tx.Tx, a.id)
	}
}

// Due gives the log time, in nanoseconds since 1970, from which on an entry is
// wanted even if nobody proposes anything. ok is false when there is none.
func Due(v *command.Reading) (nanos int64, ok bool) {
	nanos, ok = tree.Due(v, v.Time)
	if at, due := ledger.Due(v, v.Time); due && (!ok || at < nanos) {
		nanos, ok = at, true
	}
	for a := range answers.From(v, positionOf(v).oldestAnswer) {
		if at := a.time + AnswerAge; !ok || at < nanos {
			return at, true
		}
		break
	}
	return nanos, ok
}
