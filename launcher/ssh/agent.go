package ssh

import (
	"bufio"
	"gridrun/launcher/ssh/sshconn"
	"io"
	"slices"

	"gridrun/launcher/place"
)

// An Agent is a started agent: Read and Write are its standard output and input.
type Agent struct {
	io.Writer
	Files

	out     *bufio.Reader
	process *sshconn.Process
	conn    sshconn.Connection
	held    bool        // the connection stays when the agent ends
	leave   func()      // gives the connection up, when it is not held
	shared  func() bool // others use the connection; nil: nobody ever does
	address string      // that was connected to
	brought bool        // gridrun was not on the host before
}

// Read gives io.EOF when the agent and all it started has ended, or when the
// connection is lost.
func (a *Agent) Read(b []byte) (int, error) { return a.out.Read(b) }

// Kill closes the agent's channel, and the connection if that is its own. The
// agent ends at the end of its input. Read ends at once where the connection
// does, else when the host has heard of it.
func (a *Agent) Kill() {
	if a.held {
		a.process.Kill()
		return
	}
	a.conn.Close()
}

// Dismiss ends the agent and leaves the connection to others that use it. Where
// the host does not answer, only Kill helps.
func (a *Agent) Dismiss() {
	if a.shared != nil && a.shared() {
		a.process.Kill()
		return
	}
	a.Kill()
}

// Way is the hosts through which the agent's host is reached, if any.
func (a *Agent) Way() []place.Host {
	if t, is := a.conn.(*through); is {
		return slices.Clone(t.relay.way)
	}
	return nil
}

// Wait says how the agent ended when not well, after Read has ended, and
// releases what it used.
func (a *Agent) Wait() error {
	err := a.process.Wait()
	if !a.held {
		a.leave()
	}
	return a.process.Said.With(err)
}

// Where says how the agent was reached: the address, the cache directory on the
// host, and whether gridrun had to be brought there.
func (a *Agent) Where() (address, cache string, brought bool) { return a.address, a.Dir, a.brought }
