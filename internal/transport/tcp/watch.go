package tcp

import (
	"errors"
	"fmt"
	"net"
	"slices"
	"syscall"
	"time"
)

// errSilent is a link whose other end does not answer any more, not even its
// kernel: a stopped process is not silent.
var errSilent = errors.New("the network between them is cut, or the other host is down")

// watch ends links whose other end has gone silent. The kernel finds out by
// itself only while a connection is idle (keep-alive, see tune); bytes that
// nobody acknowledges it repeats for a quarter of an hour. TCP_USER_TIMEOUT
// would bound that, and would also end the connections of a job that the user
// has suspended. So this looks: acknowledgements that are due and do not come
// for Config.Silence are the end.
func (n *Net) watch() {
	tick := time.NewTicker(n.cfg.Silence / 8)
	defer tick.Stop()
	since := make(map[*link]time.Time) // when acknowledgements were first overdue
	for {
		select {
		case <-n.ctx.Done():
			return
		case <-tick.C:
		}
		n.mu.Lock()
		links := slices.Clone(n.lanes)
		for _, l := range n.links {
			links = append(links, l)
		}
		n.mu.Unlock()
		for _, l := range links {
			if !l.overdue() {
				delete(since, l)
			} else if t, before := since[l]; !before {
				since[l] = time.Now()
			} else if quiet := time.Since(t); quiet >= n.cfg.Silence {
				delete(since, l)
				l.silent(quiet)
			}
		}
	}
}

// overdue says whether the other end owes an acknowledgement.
func (l *link) overdue() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state == up && l.err == nil && l.conn.overdue()
}

// silent brings the link down.
func (l *link) silent(quiet time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.state == up && l.err == nil {
		l.err = l.explain(fmt.Errorf("%w: no sign of life for %v: %w", ErrBroken, quiet.Round(time.Second), errSilent))
		l.conn.expire(0, false)
	}
}

// silence says in gridrun's words what the kernel's keep-alive has found out.
func silence(err error) error {
	if errors.Is(err, syscall.ETIMEDOUT) {
		return fmt.Errorf("%w: no sign of life: %w", ErrBroken, errSilent)
	}
	return err
}

// tune sets the options of a new connection; the kernel sizes its buffers
// itself, and its way to avoid congestion is the system's, but see hurry. An idle connection ends when the other host has been silent for dead.
func tune(c net.Conn, dead time.Duration) {
	if t, ok := c.(*net.TCPConn); ok {
		t.SetNoDelay(true)
		every := max(dead/5, time.Second)
		hurry(t)
		t.SetKeepAliveConfig(net.KeepAliveConfig{Enable: true, Idle: 2 * every, Interval: every, Count: 3})
	}
}

// startWatch starts the goroutine that watches links, with the first of them.
func (n *Net) startWatch() {
	if n.watched.CompareAndSwap(false, true) {
		n.wg.Go(n.watch)
	}
}
