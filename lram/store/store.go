package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
)

// ErrChanged is wrapped by [File.Check] and by reads that find a file shorter than it was when it was opened.
var ErrChanged = errors.New("changed since it was opened")

// Store opens files by name. [Set] is the implementation; the interface is the seam for other places (an object store, another cluster).
type Store interface {
	Open(ctx context.Context, name string) (File, error)
}

// File is an opened file. ReadAt and BytesRead may be called by several goroutines.
type File interface {
	io.ReaderAt
	io.Closer
	Size() int64      // bytes, when it was opened
	ID() ID           // which file, in which state
	BytesRead() int64 // bytes that ReadAt got from storage so far
	Check() error     // nil, or an error that wraps ErrChanged or says why the file cannot be looked at
}

// ID tells one state of one file from others. On one host, two IDs are equal (==) only for the same file in the same state.
type ID struct {
	Name   string // absolute path, or scheme:path
	Size   int64  // bytes
	MTime  int64  // nanoseconds since 1970; 0 for embedded files
	Device uint64 // 0 where the platform has none
	Inode  uint64
}

// String is a key that hosts agree on when they share a file system: the device is left out, because each host numbers its mounts on its own.
func (id ID) String() string { return fmt.Sprintf("%s@%d.%d.%d", id.Name, id.Size, id.MTime, id.Inode) }

// Set maps a scheme ("builtin") to a file system; names without a scheme are local paths. The nil Set is useful.
type Set map[string]fs.FS

// Open opens the regular file called name for reading.
func (s Set) Open(ctx context.Context, name string) (File, error) {
	if err := ctx.Err(); err != nil {
		return nil, fmt.Errorf("open %s: %w", name, context.Cause(ctx))
	}
	scheme, rest, ok := Scheme(name)
	if !ok {
		return openLocal(name)
	}
	fsys, known := s[scheme]
	if !known {
		return nil, fmt.Errorf("open %s: no store is called %q (there are: %s); a local file of that name is written ./%s", name, scheme, s.schemes(), name)
	}
	return openFS(fsys, scheme, rest)
}

func (s Set) schemes() string {
	names := append([]string{"local files"}, slices.Sorted(maps.Keys(s))...)
	return strings.Join(names, ", ")
}

// Scheme splits `scheme:path`. A scheme is two or more lower-case letters or digits, starting with a letter, before the first slash; anything else is a local path.
func Scheme(name string) (scheme, rest string, ok bool) {
	scheme, rest, ok = strings.Cut(name, ":")
	if !ok || len(scheme) < 2 || scheme[0] < 'a' || scheme[0] > 'z' {
		return "", name, false
	}
	for _, c := range scheme {
		if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return "", name, false
		}
	}
	return scheme, rest, true
}

// Sibling names the file other as seen from the file name: relative to name's directory and in the same store. A description in a
// file system that the program carries cannot reach out of it; a local one may name an absolute path.
func Sibling(name, other string) (string, error) {
	if scheme, rest, ok := Scheme(name); ok {
		p := path.Join(path.Dir(rest), other)
		if path.IsAbs(other) || !fs.ValidPath(p) {
			return "", fmt.Errorf("%s: %s lies outside of %s:", name, other, scheme)
		}
		return scheme + ":" + p, nil
	}
	if filepath.IsAbs(other) {
		return other, nil
	}
	p := filepath.Join(filepath.Dir(name), other)
	if _, _, looksLikeScheme := Scheme(p); looksLikeScheme {
		p = "./" + p
	}
	return p, nil
}

// A refusal says all in its text; errors.Is finds the kind.
type refusal struct {
	text string
	kind error
}

func (r refusal) Error() string { return r.text }
func (r refusal) Unwrap() error { return r.kind }

// openError says in the user's words why a file cannot be read.
func openError(name string, err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return refusal{"open " + name + ": there is no such file", fs.ErrNotExist}
	case errors.Is(err, fs.ErrPermission):
		return refusal{"open " + name + ": no permission to read it", fs.ErrPermission}
	case errors.Is(err, fs.ErrInvalid):
		return refusal{"open " + name + ": not a valid name in this store", fs.ErrInvalid}
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Errorf("open %s: a part of the path is a file, not a directory: %w", name, err)
	}
	return fmt.Errorf("open %s: %w", name, err)
}

// regular refuses directories, pipes and devices.
func regular(name string, info fs.FileInfo) error {
	switch {
	case info.IsDir():
		return fmt.Errorf("open %s: it is a directory; name a file in it", name)
	case !info.Mode().IsRegular():
		return fmt.Errorf("open %s: it is not a regular file (%s)", name, info.Mode().Type())
	}
	return nil
}
