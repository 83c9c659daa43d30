package keeper

import (
	"context"

	"gridrun/launcher/place"
	"gridrun/launcher/ssh"
)

// A Dialer connects to hosts.
type Dialer interface {
	Hold(ctx context.Context, host place.Host) (Connection, error)
}

// A Connection is what a Dialer makes; agents are started through it.
type Connection interface {
	Agent(ctx context.Context) (Process, error)
	SFTP() (Process, error)
	// Close ends it and all that runs through it.
	Close()
}

// A Process runs on a host. Read and Write are its standard output and input.
type Process interface {
	Read([]byte) (int, error)
	Write([]byte) (int, error)
	// CloseWrite ends its standard input.
	CloseWrite() error
	// Kill ends it, from this side at least. It may be called often.
	Kill()
	// Wait says how it ended when not well, after Read has.
	Wait() error
	// Where is the host's platform (OS/ARCH) and the directory of its cache.
	Where() (platform, dir string)
}

// SSH is a Dialer over ssh.
type SSH struct{ *ssh.Starter }

// Hold connects.
func (s SSH) Hold(ctx context.Context, host place.Host) (Connection, error) {
	h, err := s.Starter.Hold(ctx, host)
	if err != nil {
		return nil, err
	}
	return sshConnection{h}, nil
}

type sshConnection struct{ *ssh.Held }

func (c sshConnection) Agent(ctx context.Context) (Process, error) {
	a, err := c.Held.Agent(ctx)
	if err != nil {
		return nil, err
	}
	return sshAgent{a}, nil
}

func (c sshConnection) SFTP() (Process, error) {
	p, err := c.Held.SFTP()
	if err != nil {
		return nil, err
	}
	return sshChannel{p}, nil
}

type sshAgent struct{ *ssh.Agent }

func (a sshAgent) Where() (platform, dir string) { return a.Platform.String(), a.Dir }

// CloseWrite ends the agent: it lives as long as its input.
func (a sshAgent) CloseWrite() error {
	a.Kill()
	return nil
}

type sshChannel struct{ *ssh.Channel }

func (c sshChannel) CloseWrite() error             { return c.Close() }
func (c sshChannel) Where() (platform, dir string) { return "", "" }
