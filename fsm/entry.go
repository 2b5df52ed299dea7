package fsm

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"google.golang.org/protobuf/proto"

	statev1 "acquired/proto/acquired/state/v1"
)

// An entry in the log is a version byte, the CRC-32C of what follows, and a
// statev1.Entry. The checksum travels with the entry from the leader to every
// state machine, so bytes that change on the way, on a disk or in memory, stop
// the node that meets them instead of making it differ from the others.
const (
	entryVersion = 1
	entryHeader  = 1 + 4
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// EncodeEntry gives the bytes of a log entry.
func EncodeEntry(entry *statev1.Entry) ([]byte, error) {
	b := make([]byte, entryHeader, entryHeader+proto.Size(entry))
	b, err := proto.MarshalOptions{}.MarshalAppend(b, entry)
	if err != nil {
		return nil, fmt.Errorf("encode entry: %w", err)
	}
	b[0] = entryVersion
	binary.BigEndian.PutUint32(b[1:], crc32.Checksum(b[entryHeader:], castagnoli))
	return b, nil
}

// DecodeEntry is the inverse of EncodeEntry.
func DecodeEntry(b []byte) (*statev1.Entry, error) {
	switch {
	case len(b) < entryHeader:
		return nil, errors.New("it is too short: the disk or the memory of a node is faulty")
	case b[0] != entryVersion:
		return nil, fmt.Errorf("its version is %d, this release knows %d", b[0], entryVersion)
	case crc32.Checksum(b[entryHeader:], castagnoli) != binary.BigEndian.Uint32(b[1:]):
		return nil, errors.New("its checksum does not match: the disk or the memory of a node is faulty")
	}
	entry := new(statev1.Entry)
	if err := proto.Unmarshal(b[entryHeader:], entry); err != nil {
		return nil, err
	}
	return entry, nil
}
