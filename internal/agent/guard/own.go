package guard

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// An Own is an agent whose guard is the process that started it. That spares the
// guard process, whose start takes longer than that of many a program, where the
// launcher runs a job on its own machine alone: launcher and agent notice each
// other's end, and both are subreapers.
//
// It is started without package os/exec, which takes as long to find out whether
// processes have descriptors here (by starting one) as a program takes to run.
type Own struct {
	pid    int
	input  *os.File
	output *os.File
	guard  *os.File // our end of the socket between us and the agent
	said   *os.File // the agent's standard error
	copied chan struct{}

	mu    sync.Mutex
	ended bool // it has been waited for
}

// Childless says that this process has no children. A shell that becomes gridrun
// (`worker & exec gridrun ...`) leaves it its own, which are no part of the job.
func Childless() bool {
	err := unix.Waitid(unix.P_ALL, 0, nil, unix.WEXITED|unix.WNOHANG|unix.WNOWAIT, nil)
	return errors.Is(err, unix.ECHILD)
}

// StartOwn starts `gridrun __agent` in a session of its own; stderr takes what it
// says beside the protocol. Until Wait has returned, this process must have no
// other children ([Childless]): Wait ends all of them.
func StartOwn(stderr io.Writer) (*Own, error) {
	if err := unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0); err != nil {
		return nil, fmt.Errorf("becoming a subreaper: %w", err)
	}
	o := &Own{copied: make(chan struct{})}
	theirs, err := o.open()
	defer func() {
		for _, f := range theirs {
			f.Close()
		}
	}()
	if err == nil {
		o.pid, err = start(theirs, &syscall.SysProcAttr{Setsid: true})
	}
	if err != nil {
		o.close()
		switch {
		case errors.Is(err, unix.EMFILE):
			err = fmt.Errorf("%w; see ulimit -n", err)
		case errors.Is(err, unix.EAGAIN):
			err = fmt.Errorf("%w; see ulimit -u, and pids.max of the control group", err)
		}
		return nil, fmt.Errorf("starting the agent: %w", err)
	}
	go func() {
		io.Copy(stderr, o.said) // until its end or Wait's deadline
		close(o.copied)
	}()
	return o, nil
}

// open makes the agent's descriptors 0 to FD and our ends of them.
func (o *Own) open() (theirs []*os.File, err error) {
	for _, p := range []struct {
		ours *(*os.File)
		end  int // of the pipe, which is ours
	}{{&o.input, 1}, {&o.output, 0}, {&o.said, 0}} {
		var pipe [2]int
		if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
			return theirs, os.NewSyscallError("pipe", err)
		}
		unix.SetNonblock(pipe[p.end], true) // ours waits in the runtime's poller
		*p.ours = os.NewFile(uintptr(pipe[p.end]), "agent")
		theirs = append(theirs, os.NewFile(uintptr(pipe[1-p.end]), "pipe"))
	}
	guard, end, err := socket()
	if err != nil {
		return theirs, err
	}
	o.guard = guard
	return append(theirs, end), nil
}

func (o *Own) close() {
	for _, f := range []*os.File{o.input, o.output, o.said, o.guard} {
		f.Close() // nil, or closed before, in the worst case
	}
}

// Read reads the agent's output.
func (o *Own) Read(b []byte) (int, error) { return o.output.Read(b) }

// Write writes to the agent's input.
func (o *Own) Write(b []byte) (int, error) { return o.input.Write(b) }

// Kill ends the agent at once; Wait ends the ranks.
func (o *Own) Kill() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.ended {
		syscall.Kill(o.pid, syscall.SIGKILL)
	}
}

// Wait waits for the agent, and does what a guard does then: it kills and reaps
// every process that the agent left behind. The error says how the agent ended
// when not well.
func (o *Own) Wait() error {
	status, err := o.wait()
	// Whoever still holds the agent's standard error must not hold us.
	o.said.SetReadDeadline(time.Now().Add(time.Second))
	<-o.copied
	sweep(o.guard)
	o.close()
	EndDescendants(noneAdded)
	unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) // nobody is left to be adopted
	switch {
	case err != nil:
		return fmt.Errorf("waiting for the agent: %w", err)
	case status.Signaled():
		return fmt.Errorf("signal: %v", status.Signal())
	case status.ExitStatus() != 0:
		return fmt.Errorf("exit status %d", status.ExitStatus())
	}
	return nil
}

// wait reaps the agent. Its number may be another's from then on.
func (o *Own) wait() (status syscall.WaitStatus, err error) {
	var info unix.Siginfo
	for {
		err := unix.Waitid(unix.P_PID, o.pid, &info, unix.WEXITED|unix.WNOWAIT, nil)
		if err != unix.EINTR {
			break
		}
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.ended = true
	for {
		if _, err = syscall.Wait4(o.pid, &status, 0, nil); err != syscall.EINTR {
			return status, err
		}
	}
}
