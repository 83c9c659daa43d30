// Package scaffold starts new rank programs. A program is a directory with a Go
// module that finds gridrun in a subdirectory of its own: the packages it needs,
// as they were when the running gridrun was built. Both therefore speak the same
// protocol, and nothing is fetched but what Go's module cache lacks.
package scaffold

import (
	"bytes"
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// Sub is the subdirectory of a program that holds gridrun's packages.
const Sub = "gridrun"

// modules are what gridrun's packages for rank programs need of others.
var modules = []string{
	"github.com/vmihailenco/msgpack/v5",
	"github.com/vmihailenco/tagparser/v2",
	"golang.org/x/sys",
}

//go:embed template/main.go.txt
var mainGo []byte

//go:embed template/main_test.go.txt
var mainTestGo []byte

// Create makes a program in dir, which must be empty or not there. source is
// gridrun's module, as gridrun.Source.
func Create(source fs.FS, dir string) error {
	entries, err := os.ReadDir(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return err
	case len(entries) > 0:
		return fmt.Errorf("%s is not empty; name a new directory, or bring gridrun's packages in it up to date with --update", dir)
	}
	abs, err := filepath.Abs(dir)
	if err != nil {
		return err
	}
	requires, sums, err := dependencies(source)
	if err != nil {
		return err
	}
	var mod bytes.Buffer
	fmt.Fprintf(&mod, "module example/%s\n\n%s\n\nrequire gridrun v0.0.0\n\nreplace gridrun => ./%s\n\nrequire (\n", moduleName(abs), requires.goLine, Sub)
	for _, line := range requires.lines {
		fmt.Fprintf(&mod, "\t%s // indirect\n", line)
	}
	mod.WriteString(")\n")
	for _, f := range []struct {
		name string
		text []byte
	}{{"go.mod", mod.Bytes()}, {"go.sum", sums}, {"main.go", mainGo}, {"main_test.go", mainTestGo}} {
		if err := write(dir, f.name, f.text); err != nil {
			return err
		}
	}
	return Update(source, dir)
}

// Update replaces the packages in dir's subdirectory by those of source.
func Update(source fs.FS, dir string) error {
	into := filepath.Join(dir, Sub)
	if _, err := os.Stat(filepath.Join(dir, "go.mod")); err != nil {
		return fmt.Errorf("%s holds no program: %w", dir, err)
	}
	if _, err := os.Lstat(into); err == nil {
		if own, err := os.ReadFile(filepath.Join(into, "go.mod")); err != nil || !bytes.HasPrefix(own, []byte("module gridrun\n")) {
			return fmt.Errorf("%s is not a copy of gridrun; move it out of the way", into)
		}
	}
	if err := os.RemoveAll(into); err != nil {
		return err
	}
	requires, sums, err := dependencies(source)
	if err != nil {
		return err
	}
	mod := fmt.Sprintf("module gridrun\n\n%s\n\nrequire (\n\t%s\n)\n", requires.goLine, strings.Join(requires.lines, "\n\t"))
	if err := errors.Join(write(into, "go.mod", []byte(mod)), write(into, "go.sum", sums)); err != nil {
		return err
	}
	return fs.WalkDir(source, ".", func(name string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && d.Name() == "testdata":
			return fs.SkipDir
		case d.IsDir(), name == "go.mod", name == "go.sum", strings.HasSuffix(name, "_test.go"):
			return nil
		}
		text, err := fs.ReadFile(source, name)
		if err != nil {
			return err
		}
		return write(into, name, text)
	})
}

type requirements struct {
	goLine string   // go 1.26.0
	lines  []string // module version
}

// dependencies takes the modules that programs need out of source's go.mod and
// go.sum.
func dependencies(source fs.FS) (r requirements, sums []byte, err error) {
	mod, err := fs.ReadFile(source, "go.mod")
	if err != nil {
		return r, nil, err
	}
	for line := range strings.Lines(string(mod)) {
		if strings.HasPrefix(line, "go ") {
			r.goLine = strings.TrimSpace(line)
		}
		for _, m := range modules {
			if words := strings.Fields(line); len(words) >= 2 && words[0] == m {
				r.lines = append(r.lines, words[0]+" "+words[1])
			}
		}
	}
	if len(r.lines) != len(modules) {
		return r, nil, fmt.Errorf("this build's go.mod has %q of %q", r.lines, modules)
	}
	slices.Sort(r.lines)
	all, err := fs.ReadFile(source, "go.sum")
	for line := range strings.Lines(string(all)) {
		for _, have := range r.lines {
			if strings.HasPrefix(line, have+" ") || strings.HasPrefix(line, have+"/go.mod ") {
				sums = append(sums, line...)
			}
		}
	}
	return r, sums, err
}

var notInNames = regexp.MustCompile(`[^A-Za-z0-9._-]+`)

// moduleName is the last element of dir as a module path may hold it.
func moduleName(dir string) string {
	name := strings.Trim(notInNames.ReplaceAllString(filepath.Base(dir), "-"), "-.")
	if name == "" {
		return "job"
	}
	return name
}

// write makes the file name, a slash-separated path, under dir.
func write(dir, name string, text []byte) error {
	file := filepath.Join(dir, filepath.FromSlash(path.Clean(name)))
	if err := os.MkdirAll(filepath.Dir(file), 0o777); err != nil {
		return err
	}
	return os.WriteFile(file, text, 0o666)
}
