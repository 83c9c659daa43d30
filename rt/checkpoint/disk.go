package checkpoint

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// A disk is all that this package does to files: tests let it fail at every step.
type disk interface {
	mkdir(dir string) error
	write(path string, data []byte) error // and sync
	rename(from, to string) error
	syncDir(dir string) error
	size(path string) (int64, error)
	read(path string) ([]byte, error)
	list(dir string) ([]string, error)
	remove(dir string) error
}

type realDisk struct{}

func (realDisk) mkdir(dir string) error { return os.MkdirAll(dir, 0o777) }

func (realDisk) write(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o666)
	if err != nil {
		return err
	}
	_, err = f.Write(data)
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

func (realDisk) rename(from, to string) error { return os.Rename(from, to) }

func (realDisk) syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func (realDisk) size(path string) (int64, error) {
	// Opened, not just asked for: network file systems look anew then.
	f, err := os.Open(path)
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (realDisk) read(path string) ([]byte, error) { return os.ReadFile(path) }

func (realDisk) list(dir string) (names []string, err error) {
	entries, err := os.ReadDir(dir)
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names, err
}

func (realDisk) remove(dir string) error { return os.RemoveAll(dir) }

const stepPrefix = "step-"

// begin makes a directory for a step. Of two with the same step the later one
// has the greater name.
func (s Store) begin(step int64) (string, error) {
	dir := filepath.Join(s.Dir, fmt.Sprintf("%s%012d.%016x.%s", stepPrefix, step, time.Now().UnixNano(), rand.Text()[:6]))
	if err := s.fs().mkdir(dir); err != nil {
		return "", err
	}
	return dir, s.fs().syncDir(s.Dir)
}

// stepDirs lists the directories of all steps, complete or not.
func (s Store) stepDirs() (dirs []string, err error) {
	names, err := s.fs().list(s.Dir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, n := range names {
		if strings.HasPrefix(n, stepPrefix) {
			dirs = append(dirs, filepath.Join(s.Dir, n))
		}
	}
	return dirs, err
}

// abandoned is the age at which a step that is not complete is nobody's save
// under way any more.
const abandoned = time.Hour

// prune removes what is older than the newest Keep complete steps, and what was
// never completed. The step that has just been saved stays also behind greater
// ones: those may be damaged, or of a run that was given up.
func (s Store) prune(saved string) error {
	dirs, err := s.stepDirs()
	if err != nil {
		return err
	}
	all, _ := s.complete(dirs)
	keep := s.Keep
	if keep < 1 {
		keep = 2
	}
	if len(all) < keep {
		return nil
	}
	kept := map[string]bool{saved: true}
	for _, snap := range all[:keep] {
		kept[snap.dir] = true
	}
	complete := map[string]bool{}
	for _, snap := range all {
		complete[snap.dir] = true
	}
	var errs []error
	for _, dir := range dirs {
		if !kept[dir] && (complete[dir] || time.Since(begunAt(dir)) > abandoned) {
			errs = append(errs, s.fs().remove(dir))
		}
	}
	return errors.Join(errs...)
}

// begunAt is the time in a directory's name.
func begunAt(dir string) time.Time {
	parts := strings.Split(filepath.Base(dir), ".")
	if len(parts) < 2 {
		return time.Now()
	}
	ns, err := strconv.ParseInt(parts[1], 16, 64)
	if err != nil {
		return time.Now()
	}
	return time.Unix(0, ns)
}
