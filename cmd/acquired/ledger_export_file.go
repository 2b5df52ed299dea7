package main

import (
	"errors"
	"io"
	"io/fs"
	"os"

	"acquired/proto/fault"
)

// exportFile is where an export is written to.
type exportFile struct {
	w io.Writer
	// file is nil for standard output. It holds size bytes that are whole pages.
	file *os.File
	size int64
	// fresh is set for a file that was made.
	fresh bool
}

// openExport makes the file, or opens it to read what it holds and write behind it.
func openExport(path string, goOn bool) (*exportFile, error) {
	mode := os.O_RDWR | os.O_CREATE
	if !goOn {
		mode |= os.O_EXCL
	}
	file, err := os.OpenFile(path, mode, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, withHint(fault.Exists.New("%s exists", path), "--after goes on behind what it holds")
	}
	if err != nil {
		return nil, &usageError{err}
	}
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, errors.Join(&usageError{err}, file.Close())
	}
	return &exportFile{w: file, file: file, size: size, fresh: !goOn}, nil
}

// write writes a page.
func (f *exportFile) write(page []byte) error {
	if _, err := f.w.Write(page); err != nil {
		return err
	}
	f.size += int64(len(page))
	return nil
}

// close cuts what was not written whole off and closes the file; one that was made
// for nothing goes. It gives err, or what is wrong with the file.
func (f *exportFile) close(err error) error {
	if f.file == nil {
		return err
	}
	if err != nil {
		_ = f.file.Truncate(f.size)
	}
	if err != nil && f.fresh && f.size == 0 {
		_ = os.Remove(f.file.Name())
	}
	return closed(f.file, err)
}
