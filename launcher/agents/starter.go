package agents

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"syscall"
	"time"

	"gridrun/launcher/place"
)

// A Starter starts agents. Tests have one that plays the agent itself.
type Starter interface {
	// Start starts the agent on host. The context bounds the start only.
	Start(ctx context.Context, host place.Host) (Agent, error)
}

// A Planner is a Starter that wants to know which hosts will be started, before
// the first is.
type Planner interface{ Plan(hosts []place.Host) }

// A Sleeper is a Starter with processes between the launcher and agents, which
// end when the launcher is silent. Sleep tells them that it will be, for as long
// as the user likes, and takes no longer than the limit; Wake ends that.
type Sleeper interface {
	Sleep(limit time.Duration)
	Wake()
}

// An Agent is the launcher's end of a started agent: what it reads is the
// agent's output, what it writes the agent's input. When the agent and
// everything it started has ended, Read returns io.EOF.
type Agent interface {
	io.Reader
	io.Writer
	// Kill ends the agent at once; Read then ends too. Its host's guard, or the
	// agent where the guard was killed, ends the ranks.
	Kill()
	// Wait releases everything, after Read has ended. The error says how the
	// agent ended when not well, with the end of what it printed.
	Wait() error
}

// Dismissed is how an agent ended that the user has told to: the command.
type Dismissed string

func (d Dismissed) Error() string { return "taken down by `" + string(d) + "`" }

// ErrCut is how an agent ended whose connection was lost: of the agent itself
// nothing is known.
var ErrCut = errors.New("the connection to the host was lost")

// A RelayError is the end of what reaches other hosts from Host. For a host that
// was being started through it Starter.Start may be called again: it takes
// another way.
type RelayError struct {
	Host place.Host
	Err  error // how it ended
}

func (e *RelayError) Error() string {
	return fmt.Sprintf("the relay on %s has ended (%v)", e.Host.Name, e.Err)
}

func (e *RelayError) Unwrap() error { return e.Err }

// Local starts agents on this machine, as children in a session of their own,
// so that a terminal's signals reach only the launcher.
type Local struct{}

// Start runs this very binary as `gridrun __guard`.
func (Local) Start(context.Context, place.Host) (Agent, error) {
	cmd := exec.Command("/proc/self/exe", "__guard")
	cmd.Args[0] = "gridrun"
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	a := &localAgent{cmd: cmd}
	cmd.Stderr = &a.said
	// Whoever still holds the agent's standard error must not hold us.
	cmd.WaitDelay = time.Second
	var err error
	if a.WriteCloser, err = cmd.StdinPipe(); err != nil {
		return nil, fmt.Errorf("starting the agent: %w", err)
	}
	if a.Reader, err = cmd.StdoutPipe(); err != nil {
		return nil, fmt.Errorf("starting the agent: %w", err)
	}
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("starting the agent: %w", err)
	}
	return a, nil
}

type localAgent struct {
	io.Reader
	io.WriteCloser
	cmd  *exec.Cmd
	said Tail
}

// Kill also ends the agent's input: before its start it looks at nothing else.
func (a *localAgent) Kill() {
	a.cmd.Process.Kill()
	a.Close()
}

func (a *localAgent) Wait() error {
	err := a.cmd.Wait()
	if errors.Is(err, exec.ErrWaitDelay) {
		err = nil
	}
	return a.said.With(err)
}
