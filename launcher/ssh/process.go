package ssh

import (
	"errors"
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
	// wait says how it ended, after out has ended. errLost: not known.
	wait func() error
}

// errLost is the end of a process whose connection ended first.
var errLost = agents.ErrCut

func exitError(status int, signal string) error {
	if signal != "" {
		return fmt.Errorf("killed by SIG%s", signal)
	}
	return fmt.Errorf("exit status %d", status)
}

// maxNoise bounds what start-up files may print before anything of ours.
const maxNoise = 64 << 10

// versionReply is an SFTP server's first packet, of version 3, after two bytes
// of its length: the only version that OpenSSH and pkg/sftp speak.
var versionReply = [5]byte{2, 0, 0, 0, 3}

// afterNoise drops what comes before an SFTP server's first packet: start-up
// files of the login shell run before sftp-server too.
type afterNoise struct {
	r      io.Reader
	window []byte // what was read and has not been passed on
	found  bool
}

func (a *afterNoise) Read(b []byte) (int, error) {
	for dropped := 0; !a.found; dropped++ {
		if len(a.window) == 9 { // length (4 bytes, at most 64 KiB), type, version
			if dropped > maxNoise {
				return 0, errors.New("no SFTP server answers, only other output")
			}
			a.window = a.window[1:]
		}
		one := make([]byte, 9-len(a.window))
		n, err := io.ReadFull(a.r, one)
		a.window = append(a.window, one[:n]...)
		if err != nil {
			return 0, err
		}
		a.found = a.window[0] == 0 && a.window[1] == 0 && [5]byte(a.window[4:]) == versionReply
	}
	if len(a.window) > 0 {
		n := copy(b, a.window)
		a.window = a.window[n:]
		return n, nil
	}
	return a.r.Read(b)
}
