package tcp

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"time"
)

// dial starts the goroutine that connects. Called with mu held, in state idle.
func (l *link) dial() {
	l.state = dialing
	ctx, cancel := context.WithTimeout(l.n.ctx, l.n.cfg.Connect)
	l.cancel = cancel
	l.n.wg.Go(func() {
		defer cancel()
		l.settle(l.connect(ctx))
	})
}

// attempt is how trying to open a connection ended.
type attempt struct {
	conn    net.Conn
	verdict verdict
	// proven is set once the peer may have been sent our proof: it may then
	// use the connection, so no other one can take its place.
	proven bool
	err    error
}

// connect opens a connection to the peer and brings it through the handshake.
// A connection that the peer closes before it has answered was displaced by
// others waiting there; it is tried again a few times.
func (l *link) connect(ctx context.Context) attempt {
	const most = 6
	for i := 1; ; i++ {
		c, err := l.n.cfg.Dial(ctx, l.peer)
		if err != nil {
			return attempt{err: fmt.Errorf("connect: %w", err)}
		}
		a := l.open(ctx, c, helloMagic)
		if a.err == nil {
			return a
		}
		c.Close()
		a.err = fmt.Errorf("connect to %v, try %d: %w", c.RemoteAddr(), i, a.err)
		if a.proven || !closedEarly(a.err) || i == most {
			return a
		}
		select {
		case <-time.After(time.Duration(10<<i) * time.Millisecond):
		case <-ctx.Done():
			return a
		}
	}
}

// closedEarly tells a connection closed by the peer from other failures.
func closedEarly(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// open is the handshake on a connection that this end has opened.
func (l *link) open(ctx context.Context, c net.Conn, magic string) attempt {
	tune(c, l.n.cfg.Silence)
	c.SetDeadline(time.Now().Add(l.n.cfg.Handshake))
	raw := c
	stop := context.AfterFunc(ctx, func() { raw.SetDeadline(past) })
	defer stop()
	if s := l.n.cfg.Seal; s != nil {
		v := &veil{Conn: c}
		sealed, err := s.Client(ctx, v, l.peer)
		if err != nil {
			return attempt{err: err}
		}
		v.tls, c = sealed, sealed
	}
	proof, err := l.n.id.challenge(c, l.peer, magic)
	if err != nil {
		return attempt{err: fmt.Errorf("handshake: %w", err)}
	}
	// The peer may keep us waiting while it settles a connection of its own.
	t, _ := ctx.Deadline()
	c.SetDeadline(t)
	if ctx.Err() != nil { // the line above may have undone AfterFunc's work
		return attempt{err: ctx.Err()}
	}
	v, err := conclude(c, proof)
	if err != nil {
		return attempt{proven: true, err: fmt.Errorf("handshake, waiting for the verdict: %w", err)}
	}
	if !stop() { // AfterFunc may still spoil the connection's deadline
		return attempt{proven: true, err: context.Cause(ctx)}
	}
	return attempt{conn: c, verdict: v, proven: true}
}

// settle ends dialing with what came of it.
func (l *link) settle(a attempt) {
	l.mu.Lock()
	parked := l.parked
	l.parked = nil
	answer := yield
	failed := false
	switch {
	case l.state != dialing:
		// The peer's connection has won.
	case l.err != nil: // killed, or Close has run out of time
		failed = true
	case a.err == nil && a.verdict == use:
		l.attach(a.conn, nil)
		a.conn = nil
	case parked != nil && !a.proven:
		l.attach(parked, []byte{byte(use)})
		parked = nil
	default:
		failed = true
		if a.err == nil {
			a.err = fmt.Errorf("%w: the peer has given up this link", ErrBroken)
		}
		l.err = l.explain(a.err)
	}
	if failed {
		// Before mu is free: a connection offered from here on is refused.
		answer, l.state = gone, down
	}
	l.mu.Unlock()
	if a.conn != nil {
		a.conn.Close()
	}
	if parked != nil {
		refuse(parked, answer)
	}
	if failed {
		l.finish(a.err)
	}
}

// offer takes a connection that the peer has opened and authenticated: it
// becomes the link's, waits for ours to be settled, or is refused.
func (l *link) offer(c net.Conn) {
	l.mu.Lock()
	answer := gone
	switch {
	case l.err != nil || l.state == idle && l.leaving:
	case l.state == idle, l.state == dialing && l.n.id.proc > l.peer:
		l.attach(c, []byte{byte(use)})
		c = nil
	case l.state == dialing && l.parked == nil:
		c.SetDeadline(time.Time{})
		l.parked, c = c, nil
	case l.state == up:
		answer = yield
	}
	l.mu.Unlock()
	if c != nil {
		refuse(c, answer)
	}
}

// refuse ends the handshake of a connection that will carry no frames.
func refuse(c net.Conn, v verdict) {
	c.SetDeadline(time.Now().Add(time.Second))
	c.Write([]byte{byte(v)})
	c.Close()
}
