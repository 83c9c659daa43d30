package program

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Build compiles the Go main package in dir for a platform and returns the program's path in
// the cache: CACHE/<sha256 of the program>/<name>. Go's own build cache decides
// what must be compiled again, so an unchanged package costs one link check.
func (f Finder) Build(ctx context.Context, dir, goos, goarch string) (string, error) {
	if files, err := os.ReadDir(dir); err != nil {
		return "", &Error{NotExecutable, err.Error()}
	} else if !slices.ContainsFunc(files, func(f os.DirEntry) bool { return strings.HasSuffix(f.Name(), ".go") }) {
		return "", &Error{NotExecutable, dir + " is a directory without Go files"}
	}
	goTool, err := exec.LookPath("go")
	if err != nil {
		return "", &Error{Refused, dir + " is a Go package, but there is no go command in $PATH to build it; build it elsewhere and name the executable"}
	}
	cache, err := f.cacheDir()
	if err != nil {
		return "", &Error{Refused, "no directory to build into: " + err.Error()}
	}
	scratch, err := os.MkdirTemp(cache, scratchPrefix+"*")
	if err != nil {
		return "", &Error{Refused, "no directory to build into: " + err.Error()}
	}
	defer os.RemoveAll(scratch)

	out := filepath.Join(scratch, "program")
	// Without cgo there is no race detector, whatever GOFLAGS asks for.
	cmd := exec.CommandContext(ctx, goTool, "build", "-race=false", "-o", out, ".")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS="+goos, "GOARCH="+goarch)
	if said, err := cmd.CombinedOutput(); err != nil {
		if ctx.Err() != nil {
			return "", &Error{Refused, fmt.Sprintf("building %s: %v", dir, context.Cause(ctx))}
		}
		return "", &Error{Refused, fmt.Sprintf("building %s: go build: %v\n%s", dir, err, strings.TrimRight(string(said), "\n"))}
	}
	sum, err := sumOfProgram(out)
	if err != nil {
		return "", &Error{NotExecutable, dir + ": " + err.Error()}
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return "", &Error{Refused, dir + ": " + err.Error()}
	}
	if out, err = inOnePiece(out); err != nil {
		return "", &Error{Refused, "building " + dir + ": " + err.Error()}
	}
	return keep(out, cache, sum, filepath.Base(abs))
}

// inOnePiece copies a program with a single write and returns the copy. What the
// linker has written through a mapping is in memory in small pages, which every
// process has to map one by one: half a millisecond of each rank's start.
func inOnePiece(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", err
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	path += ".copy"
	return path, os.WriteFile(path, b, info.Mode().Perm())
}

var errNoMain = errors.New("the Go package in this directory is no main package")

// sumOfProgram returns the content hash of a built program.
func sumOfProgram(path string) (string, error) {
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return "", errNoMain
	}
	if err != nil {
		return "", err
	}
	defer file.Close()
	head := make([]byte, 8)
	if _, err := io.ReadFull(file, head); err != nil || bytes.Equal(head, []byte("!<arch>\n")) {
		return "", errNoMain // go build writes the archive of any other package
	}
	hash := sha256.New()
	hash.Write(head)
	if _, err := io.Copy(hash, file); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", hash.Sum(nil)), nil
}
