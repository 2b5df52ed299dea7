package logstore

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/hashicorp/raft"
)

const checksumSize = 4

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// checksum covers what decides the state: index, term, type and data. The time
// of appending is left out; raft has it for information only.
func checksum(log *raft.Log) uint32 {
	var head [17]byte
	binary.BigEndian.PutUint64(head[0:], log.Index)
	binary.BigEndian.PutUint64(head[8:], log.Term)
	head[16] = byte(log.Type)
	return crc32.Update(crc32.Checksum(head[:], castagnoli), castagnoli, log.Data)
}

// seal gives copies of the logs that carry their checksum in Extensions, and
// the bytes of data in them.
func seal(logs []*raft.Log) (sealed []*raft.Log, bytes int, err error) {
	copies := make([]raft.Log, len(logs))
	sums := make([]byte, len(logs)*checksumSize)
	sealed = make([]*raft.Log, len(logs))
	for i, log := range logs {
		if log.Index == 0 {
			return nil, 0, fmt.Errorf("log entry 0: indexes begin at 1")
		}
		if len(log.Extensions) != 0 {
			return nil, 0, fmt.Errorf("log entry %d: extensions are %d bytes: must be empty, the log store keeps its checksum there",
				log.Index, len(log.Extensions))
		}
		sum := sums[i*checksumSize : (i+1)*checksumSize : (i+1)*checksumSize]
		binary.BigEndian.PutUint32(sum, checksum(log))
		copies[i] = *log
		copies[i].Extensions = sum
		sealed[i] = &copies[i]
		bytes += len(log.Data)
	}
	return sealed, bytes, nil
}

// unseal checks the log that was found at the index and takes its checksum off.
func unseal(index uint64, log *raft.Log) error {
	if log.Index != index {
		return fmt.Errorf("log entry %d: entry %d is in its place: the disk or memory of this node is faulty", index, log.Index)
	}
	if len(log.Extensions) != checksumSize || binary.BigEndian.Uint32(log.Extensions) != checksum(log) {
		return fmt.Errorf("log entry %d: checksum does not match: the disk or memory of this node is faulty", index)
	}
	log.Extensions = nil
	return nil
}

// valueChecksum covers the key too: a value found under another key is no match.
func valueChecksum(key, value []byte) uint32 {
	return crc32.Update(crc32.Checksum(key, castagnoli), castagnoli, value)
}

func sealValue(key, value []byte) []byte {
	sealed := make([]byte, 0, len(value)+checksumSize)
	return binary.BigEndian.AppendUint32(append(sealed, value...), valueChecksum(key, value))
}

func unsealValue(key, sealed []byte) ([]byte, error) {
	size := len(sealed) - checksumSize
	if size < 0 || binary.BigEndian.Uint32(sealed[size:]) != valueChecksum(key, sealed[:size]) {
		return nil, fmt.Errorf("value of %q: checksum does not match: the disk or memory of this node is faulty", key)
	}
	return sealed[:size:size], nil
}
