package sshconn

import (
	"fmt"
	"io"

	"gridrun/launcher/agents"
)

// A Connection to a host, by either way to connect.
type Connection interface {
	Exec(command string) (*Process, error)
	// Subsystem starts what sshd_config has under a name.
	Subsystem(name string) (*Process, error)
	// Close wakes everybody who waits for the host. It may be called often.
	Close()
	// Over says that the connection has ended.
	Over() bool
	// Join closes, and waits until nothing is left.
	Join()
}

// A Process runs on a host.
type Process struct {
	In   io.WriteCloser
	Out  io.Reader
	Said *agents.Tail // what it wrote to standard error
	// Kill ends it without its connection, where that is possible by closing its
	// channel. It may be called often.
	Kill func()
	// Wait says how it ended, after Out has ended. agents.ErrCut: not known.
	Wait func() error
}

func exitError(status int, signal string) error {
	if signal != "" {
		return fmt.Errorf("killed by SIG%s", signal)
	}
	return fmt.Errorf("exit status %d", status)
}
