package agent

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"syscall"

	"gridrun/internal/agent/command"
	"gridrun/internal/agent/guard"
	"gridrun/internal/agent/procio"
	"gridrun/internal/wire"
)

// hostdVerb is the command of gridrun's own binary that is the host service.
const hostdVerb = "__hostd"

// child is what a started process leaves in the agent's hands.
type child struct {
	pid            int
	control        *procio.Control
	bound          string   // to which CPUs, if that is wanted
	stdin          *os.File // nil: the process reads /dev/null
	stdout, stderr *os.File
	record         *record // nil: nothing is observed
}

// A startResult is what became of the start of a process.
type startResult struct {
	p      *process
	child  child
	failed *command.Error
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

// maxWelcomeArgs bounds the arguments that Welcome repeats, in bytes: one packet
// has to hold them, and where the system allows 208 KiB that is less than a
// command line may have.
const maxWelcomeArgs = 32 << 10

// welcomeArgs are args, or nil when they are so long that the process should look
// at its own command line.
func welcomeArgs(args []string) []string {
	size := 0
	for _, arg := range args {
		size += len(arg) + 8
	}
	if size > maxWelcomeArgs {
		return nil
	}
	return args
}

// startProcess starts the process of spec. It runs on a starting thread.
func (a *agent) startProcess(spec *wire.ProcSpec) (c child, failed *command.Error) {
	path, argv, failed := command.Line(a.hostName(a.start.Host), spec)
	if failed != nil {
		return child{}, failed
	}
	welcome, err := wire.Marshal(&wire.Welcome{
		Version: wire.Version, Job: a.start.Job, Key: a.start.Key, Proc: spec.Proc, Ranks: spec.Ranks,
		Topology: a.start.Topology, Args: welcomeArgs(spec.Args), Transport: a.start.Transport, Terminal: a.start.Terminal,
		Encrypt: a.start.Encrypt, Streams: a.start.Streams, Continue: a.start.Continue, Segment: true, Watch: a.start.Watch,
	})
	if err != nil {
		return child{}, &command.Error{Code: guard.Refused, Text: err.Error()}
	}
	if err := a.bind(spec.Proc); err != nil {
		return child{}, &command.Error{Code: guard.Refused, Text: err.Error()}
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
		socket, c.control, err = fds.control(procio.Packet{Data: welcome, FD: a.segmentFD}, a)
	}
	if err != nil {
		fds.closeOurs()
		return child{}, &command.Error{Code: guard.Refused, Text: fmt.Sprintf("setting up process %d: %v%s", spec.Proc, err, command.Limit(err))}
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
			return child{}, &command.Error{Code: guard.Refused, Text: fmt.Sprintf("memory to observe process %d with: %v", spec.Proc, err)}
		}
	}
	c.pid, err = syscall.ForkExec(path, argv, &syscall.ProcAttr{
		Dir:   spec.Dir,
		Env:   a.environ.Of(spec),
		Files: []uintptr{uintptr(stdin), uintptr(stdout), uintptr(stderr), uintptr(socket)},
		Sys:   &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL},
	})
	if err != nil {
		c.record.close()
		fds.closeOurs()
		return child{}, command.Explain(path, spec, err)
	}
	c.bound = a.boundTo(c.pid)
	return c, nil
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
func (s *fdSet) control(welcome procio.Packet, a *agent) (theirs int, ours *procio.Control, err error) {
	theirs, ours, err = procio.OpenControl(welcome, &a.wg)
	if err != nil {
		return -1, nil, err
	}
	s.theirs, s.ours = append(s.theirs, theirs), append(s.ours, ours)
	return theirs, ours, nil
}
