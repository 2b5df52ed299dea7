package logstore

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"

	"go.etcd.io/bbolt"
)

// checkFile reads every page of the file that is in use and says what is wrong
// with it. bbolt must not meet such a file: when it opens one it looks for the
// free pages in a goroutine of its own, where a panic cannot be recovered, and
// follows the numbers it finds there wherever they lead.
func checkFile(path string) error {
	return guard(func() error {
		// Read-only, bbolt looks at the meta pages only. It also locks the file, so
		// that no other process is writing to what is checked.
		db, err := bbolt.Open(path, fileMode, &bbolt.Options{ReadOnly: true, Timeout: lockTimeout})
		if err != nil {
			return err
		}
		return errors.Join(checkPages(db), db.Close())
	})
}

func checkPages(db *bbolt.DB) error {
	tx, err := db.Begin(false)
	if err != nil {
		return err
	}
	file, err := os.Open(db.Path())
	if err != nil {
		return errors.Join(err, tx.Rollback())
	}
	return errors.Join(walkFile(tx, file), file.Close(), tx.Rollback())
}

func walkFile(tx *bbolt.Tx, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.Size() < tx.Size() {
		return fmt.Errorf("%w: it has %d bytes and should have %d", errDamaged, info.Size(), tx.Size())
	}
	pageSize := tx.DB().Info().PageSize
	w := &walk{file: file, pageSize: pageSize, seen: make([]bool, tx.Size()/int64(pageSize))}
	if err := w.buckets(uint64(tx.Cursor().Bucket().RootPage())); err != nil {
		return fmt.Errorf("%w: %w", errDamaged, err)
	}
	return nil
}

// walk visits the pages of a bbolt file, each at most once.
type walk struct {
	file     io.ReaderAt
	pageSize int
	seen     []bool // by page number
}

// buckets checks the tree of buckets and the tree of each. raft-boltdb makes
// its two in one transaction, so there are both or none.
func (w *walk) buckets(root uint64) error {
	var names []string
	var roots []uint64
	err := w.tree(root, func(e element) error {
		if e.flags != bucketFlag || len(e.value) < bucketHeaderSize {
			return fmt.Errorf("%q is not a bucket", e.key)
		}
		names = append(names, string(e.key))
		if root := binary.NativeEndian.Uint64(e.value); root != 0 {
			roots = append(roots, root)
			return nil
		}
		return checkInline(e.value[bucketHeaderSize:])
	})
	if err != nil {
		return err
	}
	if len(names) != 0 && !slices.Equal(names, []string{"conf", "logs"}) {
		return fmt.Errorf("it has the buckets %q", names)
	}
	for _, root := range roots {
		if err := w.tree(root, checkEntry); err != nil {
			return err
		}
	}
	return nil
}

// checkInline checks the page of a bucket so small that it has none of its own.
func checkInline(data []byte) error {
	p, err := parsePage(data)
	if err != nil {
		return err
	}
	if !p.leaf {
		return errors.New("small bucket is not a leaf")
	}
	for _, e := range p.elements {
		if err := checkEntry(e); err != nil {
			return err
		}
	}
	return nil
}

func checkEntry(e element) error {
	if e.flags != 0 {
		return fmt.Errorf("key %x has the flags %x", e.key, e.flags)
	}
	return nil
}

// tree visits the elements of all leaves below the root, whose keys must ascend.
func (w *walk) tree(root uint64, visit func(element) error) error {
	var last []byte
	return w.subtree(root, nil, &last, visit)
}

func (w *walk) subtree(id uint64, least []byte, last *[]byte, visit func(element) error) error {
	p, err := w.page(id)
	if err != nil {
		return fmt.Errorf("page %d: %w", id, err)
	}
	for _, e := range p.elements {
		if bytes.Compare(e.key, least) < 0 || *last != nil && bytes.Compare(e.key, *last) <= 0 {
			return fmt.Errorf("page %d: key %x is out of order", id, e.key)
		}
		if !p.leaf {
			if err := w.subtree(e.child, e.key, last, visit); err != nil {
				return err
			}
			continue
		}
		if err := visit(e); err != nil {
			return fmt.Errorf("page %d: %w", id, err)
		}
		*last = append((*last)[:0], e.key...)
	}
	return nil
}

func (w *walk) page(id uint64) (page, error) {
	header := make([]byte, pageHeaderSize)
	if err := w.read(header, id, 1); err != nil {
		return page{}, err
	}
	if found := binary.NativeEndian.Uint64(header); found != id {
		return page{}, fmt.Errorf("page %d is in its place", found)
	}
	pages := 1 + uint64(binary.NativeEndian.Uint32(header[12:]))
	if pages > uint64(len(w.seen)) {
		return page{}, fmt.Errorf("it is %d pages long, the file has %d", pages, len(w.seen))
	}
	data := make([]byte, pages*uint64(w.pageSize))
	if err := w.read(data, id, pages); err != nil {
		return page{}, err
	}
	for i := range pages {
		if w.seen[id+i] {
			return page{}, errors.New("it is used twice")
		}
		w.seen[id+i] = true
	}
	return parsePage(data)
}

// read fills data from the beginning of so many pages, which must exist and be
// none of the two meta pages.
func (w *walk) read(data []byte, id, pages uint64) error {
	if end := uint64(len(w.seen)); id < 2 || id >= end || pages > end-id {
		return fmt.Errorf("the file ends at page %d", end)
	}
	_, err := w.file.ReadAt(data, int64(id)*int64(w.pageSize))
	return err
}

// The format of bbolt's pages, in the byte order of the machine. A page is a
// header (number uint64, flags and count uint16, further pages uint32), count
// elements, and the keys and values that the elements point at. An element of a
// branch is (position, key size uint32, child uint64), one of a leaf (flags,
// position, key size, value size uint32). The value of a bucket is a header
// (root page, sequence uint64) and, when the root is zero, a page.
const (
	pageHeaderSize   = 16
	elementSize      = 16
	bucketHeaderSize = 16

	branchFlag = 0x01
	leafFlag   = 0x02
	bucketFlag = 0x01
)

type page struct {
	leaf     bool
	elements []element
}

type element struct {
	flags uint32 // of a leaf
	key   []byte
	value []byte // of a leaf
	child uint64 // of a branch
}

func parsePage(data []byte) (page, error) {
	if len(data) < pageHeaderSize {
		return page{}, errors.New("page is too short")
	}
	flags := binary.NativeEndian.Uint16(data[8:])
	count := int(binary.NativeEndian.Uint16(data[10:]))
	switch {
	case flags != branchFlag && flags != leafFlag:
		return page{}, fmt.Errorf("flags are %x", flags)
	case flags == branchFlag && count == 0:
		return page{}, errors.New("branch is empty")
	case pageHeaderSize+count*elementSize > len(data):
		return page{}, fmt.Errorf("it has %d elements", count)
	}
	p := page{leaf: flags == leafFlag, elements: make([]element, count)}
	for i := range p.elements {
		e, err := parseElement(data[pageHeaderSize+i*elementSize:], p.leaf)
		if err != nil {
			return page{}, fmt.Errorf("element %d: %w", i, err)
		}
		p.elements[i] = e
	}
	return p, nil
}

// parseElement reads the element that data begins with; positions count from there.
func parseElement(data []byte, leaf bool) (element, error) {
	number := func(i int) uint32 { return binary.NativeEndian.Uint32(data[4*i:]) }
	e := element{child: binary.NativeEndian.Uint64(data[8:])}
	position, keySize, valueSize := number(0), number(1), uint32(0)
	if leaf {
		e = element{flags: number(0)}
		position, keySize, valueSize = number(1), number(2), number(3)
	}
	key := uint64(position)
	value := key + uint64(keySize)
	end := value + uint64(valueSize)
	if keySize == 0 || end > uint64(len(data)) {
		return element{}, fmt.Errorf("its key is bytes %d to %d, its value ends at %d of %d", key, value, end, len(data))
	}
	e.key, e.value = data[key:value], data[value:end]
	return e, nil
}
