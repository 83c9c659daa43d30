package rundir

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// maxPath is the most bytes of the directory: a socket's path has 107, the name of
// a job's in it included.
const maxPath = 107 - len("/0123456789abcdef.job")

// Path makes sure of the user's directory and returns it:
// $XDG_RUNTIME_DIR/gridrun, or gridrun-UID in the system's temporary directory
// ($TMPDIR, or /tmp where that is too long for a socket).
// Somebody else's directory of that name, or one that others can enter, is an
// error: nobody may stand between gridrun's parts.
func Path() (string, error) {
	run := os.Getenv("XDG_RUNTIME_DIR")
	if filepath.IsAbs(run) && owned(run) != nil {
		run = ""
	}
	dir := choose(run, os.TempDir(), os.Getuid())
	if err := os.Mkdir(dir, 0o700); err != nil && !errors.Is(err, fs.ErrExist) {
		return "", err
	}
	return dir, owned(dir)
}

// choose is the user's directory in run, if there is one, or in temp.
func choose(run, temp string, uid int) string {
	if dir := filepath.Join(run, "gridrun"); filepath.IsAbs(dir) && len(dir) <= maxPath {
		return dir
	}
	name := fmt.Sprintf("gridrun-%d", uid)
	if dir := filepath.Join(temp, name); len(dir) <= maxPath {
		return dir
	}
	return filepath.Join("/tmp", name)
}

// owned says why dir is not a directory that this user alone can enter.
func owned(dir string) error {
	info, err := os.Lstat(dir)
	if err != nil {
		return err
	}
	st, ok := info.Sys().(*syscall.Stat_t)
	switch {
	case !info.IsDir():
		return fmt.Errorf("%s is not a directory; remove it", dir)
	case ok && int(st.Uid) != os.Getuid():
		return fmt.Errorf("%s belongs to user %d; have it removed, or set XDG_RUNTIME_DIR to a directory of your own", dir, st.Uid)
	case info.Mode().Perm()&0o077 != 0:
		return fmt.Errorf("%s can be entered by others (%v); chmod 700 it", dir, info.Mode().Perm())
	}
	return nil
}

// Sweep removes sockets in dir whose name ends with suffix and that nobody
// listens on any more, and returns the names of the others.
func Sweep(dir, suffix string) (live []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		if e.Type() != fs.ModeSocket || !strings.HasSuffix(e.Name(), suffix) {
			continue
		}
		path := filepath.Join(dir, e.Name())
		switch c, err := net.DialTimeout("unix", path, time.Second); {
		case err == nil:
			c.Close()
			live = append(live, e.Name())
		case errors.Is(err, syscall.ECONNREFUSED):
			os.Remove(path)
		case !errors.Is(err, fs.ErrNotExist):
			live = append(live, e.Name()) // busy, not dead
		}
	}
	return live, nil
}
