package windshear

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// An output is the directory of --out. Its files get their names together, at the end; until then discard takes everything back. Where the system has files
// without a name they have none before, so that even a killed process leaves nothing; elsewhere they have temporary ones.
type output struct {
	dir     string
	made    []string // directories that did not exist before, outermost first
	pending []pending
	named   bool // use temporary names even where there are files without one
}

// A pending file has a temporary name, or none.
type pending struct {
	file             *os.File
	temporary, final string
}

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
	var link *os.LinkError
	switch { // temporary names would tell the user nothing
	case errors.As(err, &path):
		err = path.Err
	case errors.As(err, &link):
		err = link.Err
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

// create opens a file that commit will call name. The output closes it.
func (o *output) create(name string) (*os.File, error) {
	p := pending{final: filepath.Join(o.dir, name)}
	err := errors.ErrUnsupported
	if !o.named {
		p.file, err = unnamedFile(o.dir)
	}
	if errors.Is(err, errors.ErrUnsupported) {
		if p.file, err = os.CreateTemp(o.dir, "."+name+".*"); err == nil {
			p.temporary = p.file.Name()
			err = p.file.Chmod(0o644)
		}
	}
	if p.file != nil {
		o.pending = append(o.pending, p)
	}
	if err != nil {
		return nil, outputError(o.dir, err)
	}
	return p.file, nil
}

// write keeps a whole file ready.
func (o *output) write(name string, content []byte) error {
	f, err := o.create(name)
	if err != nil {
		return err
	}
	if _, err := f.Write(content); err != nil {
		return outputError(o.dir, err)
	}
	return nil
}

// commit gives all files their names, in place of older ones.
func (o *output) commit() error {
	for len(o.pending) > 0 {
		if err := o.pending[0].publish(); err != nil {
			return outputError(o.dir, err)
		}
		o.pending = o.pending[1:]
	}
	o.made = nil
	return nil
}

func (p *pending) publish() error {
	if p.temporary == "" {
		err := nameFile(p.file, p.final)
		if errors.Is(err, fs.ErrExist) { // a link cannot replace a file, a rename can
			aside := fmt.Sprintf("%s.%d", p.final, os.Getpid())
			if err = nameFile(p.file, aside); err == nil {
				p.temporary = aside
			}
		}
		if err != nil {
			return err
		}
	}
	if err := p.file.Close(); err != nil {
		return err
	}
	if p.temporary == "" {
		return nil
	}
	return os.Rename(p.temporary, p.final)
}

// forget drops the files that have no name yet.
func (o *output) forget() {
	for _, p := range o.pending {
		p.file.Close()
		if p.temporary != "" {
			os.Remove(p.temporary)
		}
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
