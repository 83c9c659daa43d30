package command

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"gridrun/internal/agent/guard"
	"gridrun/internal/proclook"
	"gridrun/internal/wire"
)

// A wrapper (--wrap) is a command that starts the rank's program: perf record,
// strace, gdb -batch --args, nice. The process that the agent starts is the
// wrapper; the program is what it becomes (nice), or a child of it (strace), or
// something inside of it (valgrind). The control socket is inherited through all
// of these.

// wrapped puts spec's wrapper before a command line. host is the name for errors.
func wrapped(host string, spec *wire.ProcSpec, path string, argv []string) (string, []string, *Error) {
	if len(spec.Wrap) == 0 {
		return path, argv, nil
	}
	wrapper := spec.Wrap[0]
	if !strings.Contains(wrapper, "/") {
		var err error
		if wrapper, err = exec.LookPath(wrapper); err != nil {
			return "", nil, &Error{127, fmt.Sprintf("--wrap: host %s has no program %s in $PATH (%s)", host, spec.Wrap[0], os.Getenv("PATH"))}
		}
	} else {
		there := wrapper
		if !filepath.IsAbs(there) {
			there = filepath.Join(spec.Dir, there)
		}
		if _, err := os.Stat(there); os.IsNotExist(err) {
			return "", nil, &Error{127, fmt.Sprintf("--wrap: host %s has no %s", host, there)}
		}
	}
	if path == guard.SelfExe {
		// For the wrapper that would be the wrapper.
		if target, err := os.Readlink(guard.SelfExe); err == nil && !strings.HasSuffix(target, " (deleted)") {
			path = target
		} else {
			path = "/proc/" + strconv.Itoa(os.Getpid()) + "/exe"
		}
	}
	return wrapper, slices.Concat(spec.Wrap, []string{path}, argv[1:]), nil
}

// asksToEnd says whether sig concerns wrapper and program alike. Other signals
// are the program's: a wrapper that is not prepared for SIGUSR1 would die of it.
func asksToEnd(sig syscall.Signal) bool {
	switch sig {
	case syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGKILL, syscall.SIGSTOP, syscall.SIGTSTP, syscall.SIGCONT:
		return true
	}
	return false
}

// SignalWrapped sends sig to a wrapped process. Debuggers put the program into a
// process group of its own, so its descendants are looked for.
func SignalWrapped(pid int, wrap []string, sig syscall.Signal) {
	below := proclook.Below(proclook.Processes(), pid)
	if !asksToEnd(sig) && len(below) > 0 && stillWrapper(pid, wrap) {
		for _, s := range below {
			syscall.Kill(s.Pid, sig) // fails only on those that have just ended
		}
		return
	}
	syscall.Kill(-pid, sig)
	for _, s := range below {
		if group, err := syscall.Getpgid(s.Pid); err == nil && group != pid {
			syscall.Kill(s.Pid, sig)
		}
	}
}

// stillWrapper says whether a process runs the wrapper and has not become the
// program: its arguments begin with the wrapper's words, perhaps after an
// interpreter's.
func stillWrapper(pid int, wrap []string) bool {
	line, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/cmdline")
	if err != nil {
		return false
	}
	words := bytes.Split(line, []byte{0})
	for skip := range min(3, len(words)) {
		rest := words[skip:]
		same := len(rest) >= len(wrap)
		for i := 0; same && i < len(wrap); i++ {
			// A script's interpreter is given the path that the name stands for.
			same = string(rest[i]) == wrap[i] || i == 0 && strings.HasSuffix(string(rest[i]), "/"+wrap[i])
		}
		if same {
			return true
		}
	}
	return false
}
