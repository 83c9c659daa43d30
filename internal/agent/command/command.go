package command

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"gridrun/internal/agent/guard"
	"gridrun/internal/wire"
)

// RankVerb is the command of gridrun's own binary that runs a built-in job:
// `gridrun RankVerb JOB ARGS...`.
const RankVerb = "__job"

// An Error is a process that could not be started; Code is its exit code.
type Error struct {
	Code int // 125, 126 (found, cannot be executed) or 127 (not found)
	Text string
}

// Line is the executable and the arguments, the wrapper's first, of a process.
// host is the name for errors.
func Line(host string, spec *wire.ProcSpec) (path string, argv []string, failed *Error) {
	if path, argv, failed = plain(spec); failed != nil {
		return "", nil, failed
	}
	return wrapped(host, spec, path, argv)
}

// plain resolves the executable of spec and its arguments.
func plain(spec *wire.ProcSpec) (path string, argv []string, failed *Error) {
	switch {
	case spec.Path == "":
		return guard.SelfExe, append([]string{"gridrun", RankVerb, spec.Job}, spec.Args...), nil
	case strings.Contains(spec.Path, "/"):
		path = spec.Path
	default:
		var err error
		if path, err = exec.LookPath(spec.Path); err != nil {
			return "", nil, &Error{127, fmt.Sprintf("%s: no such program in $PATH (%s)", spec.Path, os.Getenv("PATH"))}
		}
	}
	return path, append([]string{spec.Path}, spec.Args...), nil
}

// Explain turns the error of fork, chdir and exec, which are one call, into
// what the user can mend.
func Explain(path string, spec *wire.ProcSpec, err error) *Error {
	dir := spec.Dir
	if dir != "" {
		switch st, statErr := os.Stat(dir); {
		case errors.Is(statErr, os.ErrNotExist):
			return &Error{guard.Refused, fmt.Sprintf("working directory %s does not exist on this host", dir)}
		case statErr != nil:
			return &Error{guard.Refused, fmt.Sprintf("working directory: %v", statErr)}
		case !st.IsDir():
			return &Error{guard.Refused, fmt.Sprintf("working directory %s is not a directory", dir)}
		case unix.Access(dir, unix.X_OK) != nil:
			return &Error{guard.Refused, fmt.Sprintf("working directory %s: no permission to enter it", dir)}
		}
	}
	full := path
	if len(spec.Wrap) > 0 {
		path = "--wrap: " + path
	}
	if !filepath.IsAbs(full) {
		full = filepath.Join(dir, full)
	}
	st, statErr := os.Stat(full)
	switch {
	case errors.Is(err, syscall.ENOENT) && statErr == nil:
		return &Error{126, fmt.Sprintf("%s cannot be executed: its interpreter (the #! line or the dynamic loader) does not exist on this host", path)}
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		return &Error{127, fmt.Sprintf("%s: no such program on this host", path)}
	case statErr == nil && st.IsDir():
		return &Error{126, fmt.Sprintf("%s is a directory, not a program", path)}
	case errors.Is(err, syscall.EACCES):
		return &Error{126, fmt.Sprintf("%s is not executable (permission denied; chmod +x?)", path)}
	case errors.Is(err, syscall.ENOEXEC):
		return &Error{126, fmt.Sprintf("%s is not a program for this host (neither an executable of its architecture nor a script with a #! line)", path)}
	case errors.Is(err, syscall.ETXTBSY):
		return &Error{126, fmt.Sprintf("%s is being written by another process", path)}
	}
	return &Error{guard.Refused, fmt.Sprintf("starting %s: %v%s", path, err, Limit(err))}
}

// Limit names the limit that an error of the agent's comes from, if it does.
func Limit(err error) string {
	switch {
	case errors.Is(err, syscall.EMFILE):
		return "; the agent needs some 4 descriptors for each process: see ulimit -n"
	case errors.Is(err, syscall.EAGAIN):
		return "; so many processes may not run: see ulimit -u, and pids.max of the control group"
	}
	return ""
}
