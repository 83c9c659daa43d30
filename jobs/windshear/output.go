package windshear

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// An output is the directory of --out. Files are written under temporary names and get their real ones together, at the end; until then discard takes everything back.
type output struct {
	dir     string
	made    []string // directories that did not exist before, outermost first
	pending []pending
}

type pending struct{ temporary, final string }

// openOutput makes the directory where needed and tries it with a small file, so that a read-only or full disk shows before the computation.
func openOutput(dir string) (*output, error) {
	o := &output{dir: dir}
	for d := filepath.Clean(dir); ; d = filepath.Dir(d) {
		if _, err := os.Stat(d); !errors.Is(err, fs.ErrNotExist) || d == filepath.Dir(d) {
			break
		}
		o.made = append([]string{d}, o.made...)
	}
	if err := os.MkdirAll(dir, 0o777); err != nil {
		o.discard()
		return nil, outputError(dir, err)
	}
	if err := o.write("probe", make([]byte, 4096)); err != nil {
		o.discard()
		return nil, err
	}
	o.forget()
	return o, nil
}

// outputError says in one line what is wrong with the directory.
func outputError(dir string, err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		err = path.Err // its temporary name would tell the user nothing
	}
	hint := ""
	switch {
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		hint = "; free some space or choose another --out"
	case errors.Is(err, syscall.EROFS), errors.Is(err, fs.ErrPermission):
		hint = "; choose a directory you may write to"
	case errors.Is(err, syscall.ENOTDIR), errors.Is(err, fs.ErrExist):
		hint = "; --out names a directory"
	}
	return fmt.Errorf("windshear: cannot write to --out %s: %w%s", dir, err, hint)
}

// temporary reserves a name for a file to be, and returns the name to write it under.
func (o *output) temporary(name string) (string, error) {
	f, err := os.CreateTemp(o.dir, "."+name+".*")
	if err != nil {
		return "", outputError(o.dir, err)
	}
	o.pending = append(o.pending, pending{f.Name(), filepath.Join(o.dir, name)})
	if err := errors.Join(f.Chmod(0o644), f.Close()); err != nil {
		return "", outputError(o.dir, err)
	}
	return f.Name(), nil
}

// write keeps a whole file ready under a temporary name.
func (o *output) write(name string, content []byte) error {
	path, err := o.temporary(name)
	if err != nil {
		return err
	}
	if err := os.WriteFile(path, content, 0o644); err != nil {
		return outputError(o.dir, err)
	}
	return nil
}

// commit gives all files their names.
func (o *output) commit() error {
	for len(o.pending) > 0 {
		if err := os.Rename(o.pending[0].temporary, o.pending[0].final); err != nil {
			return outputError(o.dir, err)
		}
		o.pending = o.pending[1:]
	}
	o.made = nil
	return nil
}

// forget removes the files that have no name yet.
func (o *output) forget() {
	for _, p := range o.pending {
		os.Remove(p.temporary)
	}
	o.pending = nil
}

// discard removes everything that has not been committed, also the directories made for it. After a commit it does nothing.
func (o *output) discard() {
	o.forget()
	for i := len(o.made) - 1; i >= 0; i-- {
		os.Remove(o.made[i]) // only when empty
	}
	o.made = nil
}
