package logstore

import (
	"encoding/binary"
	"fmt"

	"go.etcd.io/bbolt"
)

// Set stores the value and returns when it is on disk.
func (s *Store) Set(key, value []byte) error {
	if len(key) == 0 || len(key) > bbolt.MaxKeySize {
		return fmt.Errorf("set value: key is %d bytes: must be 1 to %d", len(key), bbolt.MaxKeySize)
	}
	return s.write(fmt.Sprintf("set %q", key), 0, 0, func() error {
		return s.bolt.Set(key, sealValue(key, value))
	})
}

// Get gives the value; there being none is raftboltdb.ErrKeyNotFound. A value
// that is not what was stored is fatal. The caller owns the result.
func (s *Store) Get(key []byte) ([]byte, error) {
	s.mustBeSound()
	var sealed []byte
	err := guard(func() (err error) {
		sealed, err = s.bolt.Get(key)
		return err
	})
	if err != nil {
		return nil, s.answerOrFail(fmt.Sprintf("read %q", key), err)
	}
	value, err := unsealValue(key, sealed)
	if err != nil {
		return nil, s.fail(err)
	}
	return value, nil
}

// SetUint64 stores a number: see Set.
func (s *Store) SetUint64(key []byte, value uint64) error {
	return s.Set(key, binary.BigEndian.AppendUint64(nil, value))
}

// GetUint64 gives a number stored by SetUint64: see Get.
func (s *Store) GetUint64(key []byte) (uint64, error) {
	value, err := s.Get(key)
	if err != nil {
		return 0, err
	}
	if len(value) != 8 {
		return 0, fmt.Errorf("value of %q is %d bytes: a number has 8", key, len(value))
	}
	return binary.BigEndian.Uint64(value), nil
}
