package guard

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// An Own is an agent whose guard is the process that started it. That spares the
// guard process, whose start takes longer than that of many a program, where the
// launcher runs a job on its own machine alone: launcher and agent notice each
// other's end, and both are subreapers.
type Own struct {
	io.Reader // the agent's output
	io.Writer // its input
	cmd       *exec.Cmd
	guard     *os.File // the guard's end of the socket between them
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
	guard, theirs, err := socket()
	if err != nil {
		return nil, err
	}
	defer theirs.Close()
	cmd := exec.Command(SelfExe, "__agent")
	cmd.Args[0] = "gridrun"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Stderr = stderr
	cmd.ExtraFiles = []*os.File{theirs}
	cmd.WaitDelay = time.Second // whoever still holds the agent's standard error must not hold us
	o := &Own{cmd: cmd, guard: guard}
	if o.Writer, err = cmd.StdinPipe(); err == nil {
		if o.Reader, err = cmd.StdoutPipe(); err == nil {
			err = cmd.Start()
		}
	}
	if err != nil {
		guard.Close()
		return nil, fmt.Errorf("starting the agent: %w", err)
	}
	return o, nil
}

// Kill ends the agent at once; Wait ends the ranks.
func (o *Own) Kill() { o.cmd.Process.Kill() }

// Wait waits for the agent, and does what a guard does then: it kills and reaps
// every process that the agent left behind. The error says how the agent ended
// when not well.
func (o *Own) Wait() error {
	err := o.cmd.Wait()
	sweep(o.guard)
	o.guard.Close()
	EndDescendants(noneAdded)
	unix.Prctl(unix.PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0) // nobody is left to be adopted
	if errors.Is(err, exec.ErrWaitDelay) {
		return nil
	}
	return err
}
