package tcp

import (
	"fmt"
	"io"
	"net"
	"slices"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// budget bounds what one Poll reads from one connection, in bytes.
const budget = 1 << 20

// A socket is a plain TCP connection out of the hands of package net, whose
// poller would wake a thread for whatever arrives. It is a carrier, and the
// source of its link's input. Its descriptor is closed under the link's lock,
// by who polls, when nobody writes.
type socket struct {
	link *link
	fd   int
	addr net.Addr

	number  int32  // in the table of links, which epoll hands back; -1: not there yet
	events  uint32 // that epoll looks for; both under the link's lock
	expired atomic.Bool

	veil    *veil // below which it lies, or nil
	unread  bool  // it is to be read though epoll may not say so; as what follows, of who polls
	drained bool  // the last read brought less than there was room for
	budget  int   // bytes that may still be read

	iovecs [mostIovecs]unix.Iovec // for write
}

// newSocket takes c over.
func newSocket(l *link, c *net.TCPConn) (*socket, error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return nil, err
	}
	s := &socket{link: l, fd: -1, number: -1, addr: c.RemoteAddr()}
	if err := raw.Control(func(fd uintptr) { s.fd, err = unix.FcntlInt(fd, unix.F_DUPFD_CLOEXEC, 0) }); err != nil {
		return nil, err
	}
	if err != nil {
		return nil, fmt.Errorf("duplicating a descriptor: %w", err)
	}
	c.Close() // takes it out of the runtime's epoll set
	return s, nil
}

// look has epoll look for events. Called with the link's lock held.
func (s *socket) look(events uint32) {
	p := s.link.n.polled
	op := unix.EPOLL_CTL_MOD
	if s.number < 0 {
		op = unix.EPOLL_CTL_ADD
		p.mu.Lock()
		links := append(slices.Clone(*p.links.Load()), s.link)
		p.links.Store(&links)
		p.mu.Unlock()
		s.number = int32(len(links) - 1)
	}
	s.events = events
	unix.EpollCtl(p.sockets, op, s.fd, &unix.EpollEvent{Events: events, Fd: s.number})
}

// read implements source.
func (s *socket) read(a, b []byte) (int, error) {
	if s.veil != nil {
		return s.veil.open(a)
	}
	return s.recv(a, b)
}

// recv implements rawSocket.
func (s *socket) recv(a, b []byte) (int, error) {
	if s.drained || s.budget <= 0 {
		return 0, errAgain
	}
	n, no := recvSome(s.fd, a, b)
	switch {
	case no == unix.EAGAIN:
		return 0, errAgain
	case no != 0:
		return 0, no
	case n == 0:
		return 0, io.EOF
	}
	s.drained = n < len(a)+len(b)
	s.budget -= n
	return n, nil
}

func (s *socket) write(what [][]byte, _ bool) (int, error) {
	if s.veil != nil {
		return s.veil.seal(what)
	}
	return s.send(what)
}

// send implements rawSocket.
func (s *socket) send(what [][]byte) (int, error) {
	n, no := sendSome(s.fd, what, &s.iovecs)
	if no != 0 && no != unix.EAGAIN {
		return 0, no
	}
	return n, nil
}

func (s *socket) direct() bool  { return true }
func (s *socket) closeWrite()   { unix.Shutdown(s.fd, unix.SHUT_WR) }
func (s *socket) overdue() bool { return overdue(s.fd) }

func (s *socket) roundTrip() time.Duration {
	info, err := unix.GetsockoptTCPInfo(s.fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	if err != nil {
		return 0
	}
	return time.Duration(info.Rtt) * time.Microsecond
}
func (s *socket) remote() net.Addr { return s.addr }

// expire implements carrier; nobody waits in a write.
func (s *socket) expire(d time.Duration, _ bool) {
	end := func() {
		s.expired.Store(true)
		s.link.n.attend(s.link)
	}
	if d <= 0 {
		end()
	} else {
		time.AfterFunc(d, end)
	}
}

func (s *socket) close() {
	unix.EpollCtl(s.link.n.polled.sockets, unix.EPOLL_CTL_DEL, s.fd, nil)
	unix.Close(s.fd)
}
