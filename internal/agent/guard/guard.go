package guard

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"syscall"

	"golang.org/x/sys/unix"
)

// SelfExe is gridrun's own binary, also when its file has been replaced.
const SelfExe = "/proc/self/exe"

// FD is the agent's end of the socket that ends when the guard does.
const FD = 3

// Refused is the exit code of everything that gridrun itself cannot do.
const Refused = 125

// Main is the agent's parent: it starts `gridrun __agent args...` with its own
// standard streams and, when the agent has ended in whatever way, kills and reaps
// every process that the agent left behind. It returns the agent's exit code,
// 128+n when signal n ended it.
//
// It holds standard output until nothing is left, so for the launcher the end
// of the stream means that all of the job on this host is gone.
func Main(args ...string) int {
	runtime.LockOSThread()
	if err := BecomeSubreaper(); err != nil {
		fmt.Fprintln(os.Stderr, "gridrun: guard:", err)
		return Refused
	}
	code, err := superviseAgent(args)
	EndDescendants(noneAdded)
	if err != nil {
		fmt.Fprintln(os.Stderr, "gridrun: guard:", err)
		return Refused
	}
	return code
}

// superviseAgent starts the agent and waits for its end. The agent's descriptor
// FD is a socket on which the guard says nothing: it ends when the guard does.
// The agent says at most which directory must go when the agent has.
func superviseAgent(args []string) (code int, err error) {
	w, r, err := socket()
	if err != nil {
		return 0, err
	}
	defer w.Close()
	defer sweep(w)
	agent, err := start([]*os.File{os.Stdin, os.Stdout, os.Stderr, r}, nil, args...)
	r.Close()
	if err != nil {
		return 0, fmt.Errorf("starting the agent: %w", err)
	}
	for {
		var status syscall.WaitStatus
		pid, err := syscall.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, syscall.EINTR):
		case err != nil:
			return 0, fmt.Errorf("waiting for the agent: %w", err)
		case pid == agent && status.Signaled():
			return 128 + int(status.Signal()), nil
		case pid == agent:
			return status.ExitStatus(), nil
		}
	}
}

// start starts `gridrun __agent args...` with files as its descriptors.
func start(files []*os.File, sys *syscall.SysProcAttr, args ...string) (pid int, err error) {
	attr := &syscall.ProcAttr{Env: os.Environ(), Sys: sys}
	for _, f := range files {
		attr.Files = append(attr.Files, f.Fd())
	}
	pid, err = syscall.ForkExec(SelfExe, append([]string{"gridrun", "__agent"}, args...), attr)
	return pid, unmounted(err, SelfExe)
}

// unmounted says what is amiss where gridrun does not find itself.
func unmounted(err error, self string) error {
	if _, missing := os.Lstat(self); errors.Is(err, syscall.ENOENT) && missing != nil {
		return fmt.Errorf("%w: %s; mount /proc", err, self)
	}
	return err
}

// socket is what stands between guard and agent: the guard's end, and the
// agent's, which becomes its descriptor FD.
func socket() (ours, theirs *os.File, err error) {
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_STREAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("socket to the agent: %w", err)
	}
	unix.SetNonblock(pair[0], true) // so that sweep's deadline works
	return os.NewFile(uintptr(pair[0]), "agent"), os.NewFile(uintptr(pair[1]), "guard"), nil
}

// BecomeSubreaper makes orphaned descendants children of this process, and
// keeps descriptors that came with this process from its children.
func BecomeSubreaper() error {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return fmt.Errorf("becoming a subreaper: %w", err)
	}
	// Kernels before 5.11 lack it; then only what the user opened on purpose leaks.
	if err := unix.CloseRange(3, ^uint(0), unix.CLOSE_RANGE_CLOEXEC); err != nil && !errors.Is(err, unix.ENOSYS) && !errors.Is(err, unix.EINVAL) {
		return fmt.Errorf("marking inherited descriptors: %w", err)
	}
	return nil
}
