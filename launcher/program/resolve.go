package program

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// A Program is something that can be started: a built-in job or an executable.
type Program struct {
	Job  string // name of a built-in job, or ""
	Path string // absolute path of an executable, or ""
	// Build makes the program for another platform; nil: it is no Go package.
	Build func(ctx context.Context, goos, goarch string) (path string, err error)
}

// Exit codes of programs that cannot be started.
const (
	NotExecutable = 126
	NotFound      = 127
	Refused       = 125 // a Go package that does not build
)

// An Error is why a name is no program; Code is the exit code for it.
type Error struct {
	Code int
	Text string
}

func (e *Error) Error() string { return e.Text }

// A Finder resolves names. The zero value knows no jobs and builds into the
// user's cache directory.
type Finder struct {
	// Jobs are the names of the built-in jobs; those that start with _ are
	// found but never suggested.
	Jobs []string
	// Cache is where built programs go; "" picks the user's cache directory.
	Cache string
}

// Find resolves name.
func (f Finder) Find(ctx context.Context, name string) (Program, error) {
	switch {
	case name == "":
		return Program{}, &Error{NotFound, "the program's name is empty"}
	case isPath(name):
		return f.atPath(ctx, name)
	case slices.Contains(f.Jobs, name):
		return Program{Job: name}, nil
	}
	path, err := f.inPath(name)
	return Program{Path: path}, err
}

// isPath: . and .. are directories whoever says them.
func isPath(name string) bool {
	return strings.Contains(name, "/") || name == "." || name == ".."
}

func (f Finder) atPath(ctx context.Context, name string) (Program, error) {
	info, err := os.Stat(name)
	switch {
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR):
		return Program{}, &Error{NotFound, name + ": no such file or directory"}
	case err != nil:
		return Program{}, &Error{NotExecutable, err.Error()}
	case info.IsDir():
		path, err := f.Build(ctx, name, runtime.GOOS, runtime.GOARCH)
		return Program{Path: path, Build: func(ctx context.Context, goos, goarch string) (string, error) {
			return f.Build(ctx, name, goos, goarch)
		}}, err
	case !info.Mode().IsRegular():
		return Program{}, &Error{NotExecutable, name + " is neither a file nor a directory"}
	case unix.Access(name, unix.X_OK) != nil:
		hint := ""
		if strings.HasSuffix(name, ".go") {
			hint = "; name the directory of a Go program, not a file of it"
		}
		return Program{}, &Error{NotExecutable, name + " is not executable" + hint}
	}
	path, err := filepath.Abs(name)
	if err != nil {
		return Program{}, &Error{NotExecutable, name + ": " + err.Error()}
	}
	return Program{Path: path}, nil
}

// inPath looks name up in $PATH, but never in the current directory by an
// empty or relative entry.
func (f Finder) inPath(name string) (string, error) {
	inert := ""
	for _, dir := range filepath.SplitList(os.Getenv("PATH")) {
		if !filepath.IsAbs(dir) {
			continue
		}
		path := filepath.Join(dir, name)
		info, err := os.Stat(path)
		if err != nil || !info.Mode().IsRegular() {
			continue
		}
		if unix.Access(path, unix.X_OK) == nil {
			return path, nil
		}
		inert = path
	}
	if inert != "" {
		return "", &Error{NotExecutable, inert + " is not executable"}
	}
	hint := ""
	if info, err := os.Stat(name); err == nil && (info.IsDir() || info.Mode()&0o111 != 0) {
		hint = fmt.Sprintf("; did you mean ./%s?", name)
	} else if near := Nearest(name, f.Jobs); near != "" {
		hint = fmt.Sprintf("; did you mean %s?", near)
	}
	return "", &Error{NotFound, name + " is neither a built-in job (see `gridrun jobs`) nor in $PATH" + hint}
}
