package token

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"math"
	"strconv"
	"time"
	"unicode/utf8"
)

// object is the members of a JSON object by their exact names. Decoding into a
// struct would take "EXP" for "exp", the last of several, and null for absent.
type object map[string]json.RawMessage

var (
	errNotObject = errors.New("is not a JSON object")
	errDuplicate = errors.New("has a member twice")
)

// parseObject reads data, which must be one JSON object in UTF-8 of which no
// member occurs twice.
func parseObject(data []byte) (object, error) {
	if !utf8.Valid(data) {
		return nil, errNotObject
	}
	decoder := json.NewDecoder(bytes.NewReader(data))
	if opening, err := decoder.Token(); err != nil || opening != json.Delim('{') {
		return nil, errNotObject
	}
	members := object{}
	for decoder.More() {
		if err := members.read(decoder); err != nil {
			return nil, err
		}
	}
	if _, err := decoder.Token(); err != nil {
		return nil, errNotObject
	}
	if _, err := decoder.Token(); err != io.EOF {
		return nil, errNotObject
	}
	return members, nil
}

// read takes the next member from the decoder.
func (o object) read(decoder *json.Decoder) error {
	key, err := decoder.Token()
	name, ok := key.(string)
	if err != nil || !ok {
		return errNotObject
	}
	if o.has(name) {
		return errDuplicate
	}
	var value json.RawMessage
	if err := decoder.Decode(&value); err != nil {
		return errNotObject
	}
	o[name] = value
	return nil
}

// hasOnly says whether the object has no members but those named.
func (o object) hasOnly(names ...string) bool {
	known := 0
	for _, name := range names {
		if o.has(name) {
			known++
		}
	}
	return known == len(o)
}

func (o object) has(name string) bool {
	_, ok := o[name]
	return ok
}

// text gives a member that is a string as isText wants it.
func (o object) text(name string) (string, bool) {
	var text string
	err := json.Unmarshal(o[name], &text)
	return text, err == nil && isText(text)
}

// texts gives a member that is a list of one or more such strings.
func (o object) texts(name string) ([]string, bool) {
	var texts []string
	if err := json.Unmarshal(o[name], &texts); err != nil || len(texts) == 0 {
		return nil, false
	}
	for _, text := range texts {
		if !isText(text) {
			return nil, false
		}
	}
	return texts, true
}

// counter gives a member that is a whole number of 64 bits without fraction or
// exponent.
func (o object) counter(name string) (uint64, bool) {
	counter, err := strconv.ParseUint(string(o[name]), 10, 64)
	return counter, err == nil
}

// seconds gives a member that is a time after 1970 and before the year 10000,
// in whole seconds without fraction or exponent.
func (o object) seconds(name string) (int64, bool) {
	seconds, err := strconv.ParseInt(string(o[name]), 10, 64)
	return seconds, err == nil && seconds > 0 && seconds <= maxUnix
}

// instant gives a member that is a time after 1970 and before the year 10000, in
// seconds written as any number: a NumericDate of RFC 7519.
func (o object) instant(name string) (time.Time, bool) {
	seconds, err := strconv.ParseFloat(string(o[name]), 64)
	// Written so that it does not hold for what is not a number.
	if err != nil || !(seconds > 0 && seconds <= maxUnix) {
		return time.Time{}, false
	}
	whole, part := math.Modf(seconds)
	return time.Unix(int64(whole), int64(part*1e9)).UTC(), true
}
