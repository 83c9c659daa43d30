package ssh

import (
	"context"
	"errors"
	"gridrun/launcher/ssh/sshconn"
	"io"

	"gridrun/launcher/place"
)

// Held is a connection to a host on which agents can be started, one after the
// other and several at once. With OpenSSH each of them connects by itself.
type Held struct {
	starter *Starter
	host    place.Host
	conn    sshconn.Connection
	address string
}

// Hold connects to a host.
func (s *Starter) Hold(ctx context.Context, host place.Host) (*Held, error) {
	return s.reach(ctx, host, nil)
}

// reach connects to a host, through a relay unless that is nil.
func (s *Starter) reach(ctx context.Context, host place.Host, via *relayed) (*Held, error) {
	release, err := s.turn(ctx)
	if err != nil {
		return nil, err
	}
	defer release()
	w := sshconn.NewWatch(ctx)
	defer w.Stop()
	w.Enter(sshconn.StageConfig, 0)
	t, err := s.target(host)
	if err != nil {
		return nil, s.failure(ctx, w, host, "", err)
	}
	if s.options.Command != "" {
		return &Held{starter: s, host: host, conn: sshconn.NewOpenSSH(s.options.Command, s.options.Config.Path, t)}, nil
	}
	route, err := s.options.Config.Route(t)
	if err != nil {
		return nil, s.failure(ctx, w, host, "", err)
	}
	var conn sshconn.Connection
	var address string
	if via != nil {
		hop := route[len(route)-1] // inner hosts need no jumps
		conn, address, err = via.dial(w, s.dialer, hop, s.names.Texts(hop.Host))
	} else {
		conn, address, err = s.dialer.Dial(w, route, nil)
	}
	if err != nil {
		return nil, s.failure(ctx, w, host, address, err)
	}
	return &Held{starter: s, host: host, conn: conn, address: address}, nil
}

// turn waits until fewer than Parallel hosts are being started.
func (s *Starter) turn(ctx context.Context) (release func(), err error) {
	select {
	case s.limit <- struct{}{}:
		return func() { <-s.limit }, nil
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// failure is what the user is told of err, which ended the stage of w.
func (s *Starter) failure(ctx context.Context, w *sshconn.Watch, host place.Host, address string, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	var whole *sshconn.Error
	if errors.As(err, &whole) {
		return err
	}
	e := &sshconn.Error{Host: host.Name, Stage: w.Now(), Address: address, Err: err}
	var said *saying
	if errors.As(err, &said) {
		e.Err, e.Said = said.error, said.said
	}
	e.Try = s.advice(e, host)
	return e
}

// Agent starts an agent that leaves the connection alone when it ends.
func (h *Held) Agent(ctx context.Context) (*Agent, error) {
	agent, _, err := h.start(ctx, guard)
	return agent, err
}

// start starts an agent, or another part of gridrun. A host that hangs loses the connection.
func (h *Held) start(ctx context.Context, verb string) (agent *Agent, shipped bool, err error) {
	release, err := h.starter.turn(ctx)
	if err != nil {
		return nil, false, err
	}
	defer release()
	w := sshconn.NewWatch(ctx)
	defer w.Stop()
	stop := context.AfterFunc(w.Ctx, h.conn.Close)
	agent, shipped, err = h.starter.boot(w, h.conn, h.host.Name, verb)
	if !stop() && err == nil {
		err = context.Cause(w.Ctx)
	}
	if err != nil {
		return nil, shipped, h.starter.failure(ctx, w, h.host, h.address, err)
	}
	agent.held = true
	return agent, shipped, nil
}

// SFTP opens a channel to the host's SFTP server. What is read from it begins
// with what start-up files print; [NewSFTP] makes a client of it.
func (h *Held) SFTP() (*Channel, error) {
	p, err := h.conn.Subsystem("sftp")
	if err != nil {
		return nil, err
	}
	return &Channel{p.Out, p.In, p}, nil
}

// Close ends the connection, with all agents on it, and waits until nothing of
// it is left here.
func (h *Held) Close() { h.conn.Join() }

// A Channel is a process on the host that is no agent.
type Channel struct {
	io.Reader
	io.WriteCloser // its standard input
	process        *sshconn.Process
}

// Kill closes the channel; Read then ends.
func (c *Channel) Kill() { c.process.Kill() }

// Wait releases it after Read has ended.
func (c *Channel) Wait() error { return c.process.Wait() }
