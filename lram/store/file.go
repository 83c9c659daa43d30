package store

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync/atomic"
)

// file is an opened file of any file system that reads at offsets.
type file struct {
	at   io.ReaderAt
	c    io.Closer
	id   ID
	stat func() (fs.FileInfo, error) // what stands under the name now
	read atomic.Int64
}

// openLocal looks before it opens: opening a pipe would wait for a writer.
func openLocal(name string) (File, error) {
	abs, err := filepath.Abs(name)
	if err != nil {
		return nil, openError(name, err)
	}
	info, err := os.Stat(abs)
	if err != nil {
		return nil, openError(name, err)
	}
	if err := regular(name, info); err != nil {
		return nil, err
	}
	f, err := os.Open(abs)
	if err != nil {
		return nil, openError(name, err)
	}
	return newFile(f, f, abs, func() (fs.FileInfo, error) { return os.Stat(abs) })
}

func openFS(fsys fs.FS, scheme, path string) (File, error) {
	name := scheme + ":" + path
	if !fs.ValidPath(path) {
		// Not every file system looks; ".." must not lead out of one that does not.
		return nil, openError(name, fs.ErrInvalid)
	}
	f, err := fsys.Open(path)
	if err != nil {
		return nil, openError(name, err)
	}
	at, ok := f.(io.ReaderAt)
	if !ok {
		info, err := f.Stat()
		f.Close()
		if err == nil {
			err = regular(name, info)
		}
		if err == nil {
			err = fmt.Errorf("open %s: the store %s cannot read at an offset", name, scheme)
		}
		return nil, err
	}
	return newFile(at, f, name, func() (fs.FileInfo, error) { return fs.Stat(fsys, path) })
}

// newFile takes the identity from the opened file, not from the name: another file may have taken the name meanwhile.
func newFile(at io.ReaderAt, f fs.File, name string, stat func() (fs.FileInfo, error)) (File, error) {
	info, err := f.Stat()
	if err == nil {
		err = regular(name, info)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &file{at: at, c: f, id: identity(name, info), stat: stat}, nil
}

func identity(name string, info fs.FileInfo) ID {
	id := ID{Name: name, Size: info.Size()}
	if t := info.ModTime(); !t.IsZero() {
		id.MTime = t.UnixNano()
	}
	id.Device, id.Inode = inode(info)
	return id
}

func (f *file) Size() int64      { return f.id.Size }
func (f *file) ID() ID           { return f.id }
func (f *file) BytesRead() int64 { return f.read.Load() }
func (f *file) Close() error     { return f.c.Close() }

// ReadAt reads all of p or returns an error. The end of the file inside the size it once had means that it was cut.
func (f *file) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.at.ReadAt(p, off)
	f.read.Add(int64(n))
	switch {
	case n == len(p):
		return n, nil
	case errors.Is(err, io.EOF) && off+int64(len(p)) <= f.id.Size:
		return n, fmt.Errorf("%s: ends at byte %d, it had %d: %w", f.id.Name, off+int64(n), f.id.Size, ErrChanged)
	case errors.Is(err, io.EOF):
		return n, io.EOF
	}
	return n, fmt.Errorf("%s: %d bytes at %d: %w", f.id.Name, len(p), off, err)
}

func (f *file) Check() error {
	info, err := f.stat()
	if err != nil {
		return fmt.Errorf("%s: %w: %w", f.id.Name, ErrChanged, err)
	}
	if now := identity(f.id.Name, info); now != f.id {
		return fmt.Errorf("%s: %w (it had %d bytes, now %d)", f.id.Name, ErrChanged, f.id.Size, now.Size)
	}
	return nil
}
