package tcp

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// A link's life: idle, dialing (when this end posts first), up, down. There is
// no way back, so each link connects once and goes down once.
type state uint8

const (
	idle    state = iota
	dialing       // the dial goroutine will bring it up or down
	up            // conn carries frames; its reader will bring it down
	down
)

// drainTime bounds how long a killed or broken connection is still read.
const drainTime = 200 * time.Millisecond

// past is a deadline that ends what is under way.
var past = time.Unix(1, 0)

// link is one peer process. The write side of its connection belongs to
// whoever has set writing: that goroutine alone uses conn.out and writes.
// When the link is up and frames are queued, somebody is writing.
type link struct {
	n    *Net
	peer int
	done chan struct{} // closed when all is over

	mu      sync.Mutex
	changed sync.Cond // writing has become false
	state   state
	err     error // posting fails with it
	killed  bool  // err is not to be replaced
	leaving bool  // Close was called; err may still be nil while the queue empties
	queue   queue
	writing bool
	conn    *conn
	cancel  context.CancelFunc // ends dialing
	parked  net.Conn           // the peer's connection while ours is being settled; see doc.go

	sink   transport.Sink // the network's; a lane's is its parent
	parent *link          // of a lane
	inward bool           // a lane that the peer has opened
	ahead  int            // of a lane: pieces not sent; under the parent's lanes.mu
	lanes  lanes
}

func newLink(n *Net, peer int) *link {
	l := &link{n: n, peer: peer, sink: n.sink, done: make(chan struct{})}
	l.changed.L = &l.mu
	return l
}

// Post implements transport.Link.
func (l *link) Post(f *transport.Frame) {
	f.Done = 0
	l.mu.Lock()
	err := l.err
	switch {
	case err != nil:
	case l.leaving:
		err = ErrClosed
	case f.Kind != wire.Data && len(f.Body) > wire.MaxBody:
		err = fmt.Errorf("a %v frame with %d bytes, the most is %d", f.Kind, len(f.Body), wire.MaxBody)
	}
	if err != nil {
		l.mu.Unlock()
		l.sink.Sent(f, err)
		return
	}
	if l.state == up && l.spreads(f) {
		l.mu.Unlock()
		l.spread(f)
		return
	}
	l.queue.push(f)
	switch {
	case l.state == idle:
		l.dial()
	case l.state == up && l.free() && l.conn.direct() && (l.conn.polled || len(f.Body) <= directBytes):
		l.writing = true
		l.mu.Unlock()
		l.write(false)
		return
	default:
		l.startWriter()
	}
	l.mu.Unlock()
}

// free says that nobody writes and the kernel may take something. Called with
// mu held, when the link is up.
func (l *link) free() bool { return !l.writing && !l.conn.full }

// startWriter sees to it that somebody writes what is queued. Called with mu held.
func (l *link) startWriter() {
	if l.state == up && l.free() && l.err == nil {
		l.writing = true
		block := !l.conn.polled
		l.n.wg.Go(func() { l.write(block) })
	}
}

// write moves frames into the kernel. The caller holds the write side; when
// write returns, it is free or belongs to a writer goroutine. Without block
// there is one attempt.
func (l *link) write(block bool) (sent int) {
	c := l.conn
	for {
		l.mu.Lock()
		c.out.backlog.join(&l.queue)
		if l.err != nil {
			rest, err := c.out.drop(), l.err
			l.mu.Unlock()
			l.giveBack(rest, err)
			l.mu.Lock()
		}
		if l.err != nil || c.out.empty() {
			l.endWriting()
			l.mu.Unlock()
			return sent
		}
		l.mu.Unlock()

		c.out.fill()
		n, err := c.write(c.out.iov, block)
		for _, e := range c.out.wrote(n) {
			if e.f.Kind == farewell {
				c.closeWrite()
			} else {
				sent++
				l.sink.Sent(e.f, nil)
			}
		}
		if err != nil {
			l.broken(err)
		}
		if !block {
			l.handOver()
			return sent
		}
	}
}

// endWriting gives up the write side. Called with mu held.
func (l *link) endWriting() {
	l.writing = false
	l.changed.Broadcast()
	if l.conn.ended != nil { // waits for the last of our frames
		l.n.attend(l)
	}
}

// handOver gives up the write side after one attempt.
func (l *link) handOver() {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch {
	case l.err == nil && l.queue.head == nil && l.conn.out.empty():
		l.endWriting()
	case l.conn.polled: // goes on when the kernel has room, or gives everything back
		l.conn.full = true
		l.n.watchFor(l)
		l.endWriting()
	default:
		l.n.wg.Go(func() { l.write(true) })
	}
}

// giveBack returns frames to their poster.
func (l *link) giveBack(q queue, err error) {
	for q.head != nil {
		if f := q.pop(); f.Kind != farewell {
			l.sink.Sent(f, err)
		}
	}
}

// broken says that writing has failed. What the peer has sent may still be
// read, a farewell among it; the reader then brings the link down.
func (l *link) broken(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = l.explain(fmt.Errorf("%w: %w", ErrBroken, err))
		l.conn.expire(drainTime, false)
	}
}

// explain names the peer, and its address when there is a connection.
func (l *link) explain(err error) error {
	who := fmt.Sprintf("process %d", l.peer)
	if l.conn == nil || l.conn.remote() == nil {
		return fmt.Errorf("%s: %w", who, err)
	}
	if host := l.n.cfg.Host; host != nil {
		who = fmt.Sprintf("%s to %s on %s", host(l.n.cfg.Proc), who, host(l.peer))
	}
	return fmt.Errorf("%s at %v: %w", who, l.conn.remote(), err)
}

// attach makes c the link's connection. first is sent before any frame. Called
// with mu held, by whoever has authenticated c.
func (l *link) attach(c net.Conn, first []byte) {
	c.SetDeadline(time.Time{})
	l.state = up
	l.conn = l.n.carry(l, c)
	l.n.startWatch()
	if l.cancel != nil {
		l.cancel()
	}
	if l.leaving {
		l.queue.push(newFarewell())
	}
	if len(first) > 0 {
		l.conn.out.iov = [][]byte{first}
	}
	if len(first) > 0 || l.queue.head != nil {
		l.startWriter()
	}
	if l.conn.polled {
		l.n.watchFor(l)
		if l.conn.sealed { // TLS may hold what came behind the handshake
			l.n.attend(l)
		}
		return
	}
	l.n.wg.Go(func() {
		err := receive(c, l.peer, l.sink)
		l.finish(silence(err))
	})
}

// finish brings the link down with err. It runs once: in the reader, in Poll, or
// in the dial goroutine when no connection came about.
func (l *link) finish(err error) {
	left := errors.Is(err, transport.ErrLeft)
	l.closeLanes(err)
	l.mu.Lock()
	// A peer that leaves still reads, so two that leave at once lose nothing.
	for left && l.leaving && l.writing {
		l.changed.Wait()
	}
	if l.err == nil || left && !l.killed {
		l.err = l.explain(err)
	}
	l.state = down
	if l.conn != nil {
		if !l.conn.polled {
			l.conn.expire(0, true) // ends a write under way
		}
	}
	for l.writing {
		l.changed.Wait()
	}
	var rest queue
	if l.conn != nil {
		l.conn.close()
		rest = l.conn.out.drop()
	}
	rest.join(&l.queue)
	err, quiet := l.err, l.leaving
	l.mu.Unlock()
	l.giveBack(rest, err)
	if l.parent != nil {
		l.parent.laneEnded(l, err)
	} else if !quiet {
		l.sink.Down(l.peer, err)
	}
	close(l.done)
}

// kill implements Net.Kill for this peer.
func (l *link) kill(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == down || l.killed {
		return
	}
	l.err, l.killed = err, true
	switch l.state {
	case idle:
		l.state = down
		l.n.wg.Go(func() { l.finish(err) })
	case dialing:
		l.cancel()
	case up:
		l.conn.expire(drainTime, true)
	}
}

// leave begins the link's part of Close; open says that there is more to it.
func (l *link) leave() (open bool) {
	l.flush()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.leaving = true
	open = l.state == dialing || l.state == up
	switch l.state {
	case idle:
		l.state, l.err = down, ErrClosed
		close(l.done)
	case dialing:
		if l.queue.head == nil {
			l.cancel()
		}
	case up:
		if l.err == nil && !l.inward { // the peer ends those
			l.queue.push(newFarewell())
			l.startWriter()
		}
	}
	return open
}

// abort ends the link's part of Close when its time is over. It returns false
// when the link was down already.
func (l *link) abort() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == down {
		return false
	}
	if l.err == nil {
		l.err, l.killed = ErrClosed, true
	}
	switch l.state {
	case dialing:
		l.cancel()
	case up:
		l.conn.expire(0, true)
	}
	return true
}

func newFarewell() *transport.Frame {
	return &transport.Frame{Header: wire.Header{Kind: farewell}}
}
