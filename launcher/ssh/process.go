package ssh

import (
	"fmt"
	"io"

	"gridrun/launcher/agents"
)

// A connection to a host, by either way to connect.
type connection interface {
	exec(command string) (*process, error)
	// subsystem starts what sshd_config has under a name.
	subsystem(name string) (*process, error)
	// close wakes everybody who waits for the host. It may be called often.
	close()
	// over says that the connection has ended.
	over() bool
	// join closes, and waits until nothing is left.
	join()
}

// A process runs on a host.
type process struct {
	in   io.WriteCloser
	out  io.Reader
	said *agents.Tail // what it wrote to standard error
	// kill ends it without its connection, where that is possible by closing its
	// channel. It may be called often.
	kill func()
	// wait says how it ended, after out has ended. agents.ErrCut: not known.
	wait func() error
}

func exitError(status int, signal string) error {
	if signal != "" {
		return fmt.Errorf("killed by SIG%s", signal)
	}
	return fmt.Errorf("exit status %d", status)
}
