package agent

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"gridrun/internal/wire"
)

// RankVerb is the command of gridrun's own binary that runs a built-in job:
// `gridrun RankVerb JOB ARGS...`.
const RankVerb = "__job"

// hostdVerb is the command of gridrun's own binary that is the host service.
const hostdVerb = "__hostd"

// controlFD is a process's end of its control socket, as GRIDRUN_CONTROL says.
const controlFD = 3

// A startError is a process that could not be started; code is its exit code.
type startError struct {
	code int // 125, 126 (found, cannot be executed) or 127 (not found)
	text string
}

// child is what a started process leaves in the agent's hands.
type child struct {
	pid            int
	control        *control
	bound          string   // to which CPUs, if that is wanted
	stdin          *os.File // nil: the process reads /dev/null
	stdout, stderr *os.File
	record         *record // nil: nothing is observed
}

// A startResult is what became of the start of a process.
type startResult struct {
	p      *process
	child  child
	failed *startError
}

// startResults is where the starting threads put results and the loop fetches
// them, several at a time.
type startResults struct {
	mu   sync.Mutex
	list []startResult
	n    int
}

// add keeps r; last says that it is the want-th.
func (s *startResults) add(r startResult, want int) (last bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.list = append(s.list, r)
	s.n++
	return s.n == want
}

func (s *startResults) take() []startResult {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := s.list
	s.list = nil
	return list
}

// takeStarted has the loop learn of the processes that have been started.
func (a *agent) takeStarted() {
	for _, r := range a.results.take() {
		a.started(r.p, r.child, r.failed)
	}
}

// startThreads runs starts on locked threads: a process's death signal comes
// when the thread that started it ends, so these threads never end before the
// agent. Threads in parallel, because a thread that forks waits for the child's exec;
// Go's scheduler does not know of that wait, so it gets as many more processors.
func (a *agent) startThreads(n int) {
	runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + n)
	for range n {
		a.starters.Go(func() {
			runtime.LockOSThread()
			for {
				select {
				case <-a.quit:
					return
				case f := <-a.starts:
					f()
				}
			}
		})
	}
}

// startProcess starts the process of spec. It runs on a starting thread.
func (a *agent) startProcess(spec *wire.ProcSpec) (c child, failed *startError) {
	path, argv, failed := commandLine(spec)
	if failed == nil {
		path, argv, failed = wrapped(a.hostName(a.start.Host), spec, path, argv)
	}
	if failed != nil {
		return child{}, failed
	}
	welcome, err := wire.Marshal(&wire.Welcome{
		Version: wire.Version, Job: a.start.Job, Key: a.start.Key, Proc: spec.Proc, Ranks: spec.Ranks,
		Topology: a.start.Topology, Args: spec.Args, Transport: a.start.Transport, Terminal: a.start.Terminal,
		Encrypt: a.start.Encrypt, Continue: a.start.Continue, Segment: true, Watch: a.start.Watch,
	})
	if err != nil {
		return child{}, &startError{refusal, err.Error()}
	}
	if err := a.bind(spec.Proc); err != nil {
		return child{}, &startError{refusal, err.Error()}
	}
	var fds fdSet
	defer fds.closeTheirs()
	stdin := a.devNull
	if spec.Stdin {
		stdin, c.stdin, err = fds.pipe(true)
	}
	var stdout, stderr int
	if err == nil {
		stdout, c.stdout, err = fds.pipe(false)
	}
	if err == nil {
		stderr, c.stderr, err = fds.pipe(false)
	}
	var socket int
	if err == nil {
		socket, c.control, err = fds.control(packet{welcome, a.segmentFD}, a)
	}
	if err != nil {
		fds.closeOurs()
		return child{}, &startError{refusal, fmt.Sprintf("setting up process %d: %v", spec.Proc, err)}
	}
	if a.start.Watch.Any() {
		c.record, err = newRecord(a.start.Watch, len(spec.Ranks))
		c.record.began = a.clock.Now()
		if err == nil {
			err = c.record.offer(c.control)
		}
		if err != nil {
			c.record.close()
			fds.closeOurs()
			return child{}, &startError{refusal, fmt.Sprintf("memory to observe process %d with: %v", spec.Proc, err)}
		}
	}
	c.pid, err = syscall.ForkExec(path, argv, &syscall.ProcAttr{
		Dir:   spec.Dir,
		Env:   a.environ(spec),
		Files: []uintptr{uintptr(stdin), uintptr(stdout), uintptr(stderr), uintptr(socket)},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		c.record.close()
		fds.closeOurs()
		return child{}, explain(path, spec, err)
	}
	c.bound = a.boundTo(c.pid)
	return c, nil
}

// commandLine resolves the executable of spec and its arguments.
func commandLine(spec *wire.ProcSpec) (path string, argv []string, failed *startError) {
	switch {
	case spec.Path == "":
		return selfExe, append([]string{"gridrun", RankVerb, spec.Job}, spec.Args...), nil
	case strings.Contains(spec.Path, "/"):
		path = spec.Path
	default:
		var err error
		if path, err = exec.LookPath(spec.Path); err != nil {
			return "", nil, &startError{127, fmt.Sprintf("%s: no such program in $PATH (%s)", spec.Path, os.Getenv("PATH"))}
		}
	}
	return path, append([]string{spec.Path}, spec.Args...), nil
}

// explain turns the error of fork, chdir and exec, which are one call, into
// what the user can mend.
func explain(path string, spec *wire.ProcSpec, err error) *startError {
	dir := spec.Dir
	if dir != "" {
		switch st, statErr := os.Stat(dir); {
		case errors.Is(statErr, os.ErrNotExist):
			return &startError{refusal, fmt.Sprintf("working directory %s does not exist on this host", dir)}
		case statErr != nil:
			return &startError{refusal, fmt.Sprintf("working directory: %v", statErr)}
		case !st.IsDir():
			return &startError{refusal, fmt.Sprintf("working directory %s is not a directory", dir)}
		case unix.Access(dir, unix.X_OK) != nil:
			return &startError{refusal, fmt.Sprintf("working directory %s: no permission to enter it", dir)}
		}
	}
	full := path
	if len(spec.Wrap) > 0 {
		path = "--wrap: " + path
	}
	if !filepath.IsAbs(full) {
		full = filepath.Join(dir, path)
	}
	st, statErr := os.Stat(full)
	switch {
	case errors.Is(err, syscall.ENOENT) && statErr == nil:
		return &startError{126, fmt.Sprintf("%s cannot be executed: its interpreter (the #! line or the dynamic loader) does not exist on this host", path)}
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.ENOTDIR):
		return &startError{127, fmt.Sprintf("%s: no such program on this host", path)}
	case statErr == nil && st.IsDir():
		return &startError{126, fmt.Sprintf("%s is a directory, not a program", path)}
	case errors.Is(err, syscall.EACCES):
		return &startError{126, fmt.Sprintf("%s is not executable (permission denied; chmod +x?)", path)}
	case errors.Is(err, syscall.ENOEXEC):
		return &startError{126, fmt.Sprintf("%s is not a program for this host (neither an executable of its architecture nor a script with a #! line)", path)}
	case errors.Is(err, syscall.ETXTBSY):
		return &startError{126, fmt.Sprintf("%s is being written by another process", path)}
	}
	return &startError{refusal, fmt.Sprintf("starting %s: %v", path, err)}
}

// An fdSet keeps track of the descriptors of a process that is being started.
type fdSet struct {
	theirs []int
	ours   []interface{ Close() error }
}

func (s *fdSet) closeTheirs() {
	for _, fd := range s.theirs {
		syscall.Close(fd)
	}
}

func (s *fdSet) closeOurs() {
	for _, f := range s.ours {
		f.Close()
	}
}

// pipe makes a pipe whose end for the agent does not block: the writing end
// when input is set, else the reading end.
func (s *fdSet) pipe(input bool) (theirs int, ours *os.File, err error) {
	var p [2]int
	if err := syscall.Pipe2(p[:], syscall.O_CLOEXEC); err != nil {
		return -1, nil, os.NewSyscallError("pipe", err)
	}
	theirs, mine := p[1], p[0]
	if input {
		theirs, mine = p[0], p[1]
	}
	s.theirs = append(s.theirs, theirs)
	if err := syscall.SetNonblock(mine, true); err != nil {
		syscall.Close(mine)
		return -1, nil, os.NewSyscallError("fcntl", err)
	}
	ours = os.NewFile(uintptr(mine), "pipe")
	s.ours = append(s.ours, ours)
	return theirs, ours, nil
}

// control makes a control socket with the packet welcome in it.
func (s *fdSet) control(welcome packet, a *agent) (theirs int, ours *control, err error) {
	mine, theirs, err := controlPair()
	if err != nil {
		return -1, nil, err
	}
	s.theirs = append(s.theirs, theirs)
	if err := sendPacket(mine, welcome); err != nil {
		syscall.Close(mine)
		return -1, nil, fmt.Errorf("welcome of %d bytes: %w", len(welcome.data), err)
	}
	if ours, err = newControl(mine, &a.wg); err != nil {
		return -1, nil, err
	}
	s.ours = append(s.ours, ours.file)
	return theirs, ours, nil
}
