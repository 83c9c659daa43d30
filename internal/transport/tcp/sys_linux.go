package tcp

import (
	"net"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"
)

// gatherer writes many slices with one system call on the connection's
// descriptor, which the net package keeps non-blocking.
type gatherer struct {
	raw   syscall.RawConn
	try   func(fd uintptr) bool // made once, not for each write
	iov   [][]byte
	block bool
	n     int
	err   error
}

func newGatherer(c net.Conn) *gatherer {
	sc, ok := c.(syscall.Conn)
	if !ok {
		return nil
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return nil
	}
	g := &gatherer{raw: raw}
	g.try = func(fd uintptr) bool {
		for {
			if len(g.iov) == 1 {
				g.n, g.err = unix.Write(int(fd), g.iov[0])
			} else {
				g.n, g.err = unix.Writev(int(fd), g.iov)
			}
			if g.err != unix.EINTR {
				return g.err != unix.EAGAIN || !g.block
			}
		}
	}
	return g
}

// write writes some of iov. When the kernel takes nothing now, it waits if
// block is set and returns 0, nil otherwise.
func (g *gatherer) write(iov [][]byte, block bool) (int, error) {
	g.iov, g.block, g.n, g.err = iov, block, 0, nil
	err := g.raw.Write(g.try)
	g.iov = nil
	if err == nil && g.err != unix.EAGAIN {
		err = g.err
	}
	return max(g.n, 0), err
}

// overdue looks whether bytes are unacknowledged though they were sent again,
// or questions for a closed window unanswered. (One lost question of a window
// that stays closed is asked again only up to two minutes later.)
func overdue(fd int) bool {
	info, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
	return err == nil && (info.Unacked > 0 && info.Retransmits > 0 || info.Probes > 1)
}

// hurry has a connection inside one machine not paced: a congestion control that
// spreads what it sends over time (BBR, where that is the system's) halves the speed
// of a path that has neither congestion nor loss.
func hurry(c *net.TCPConn) {
	here, ok := c.LocalAddr().(*net.TCPAddr)
	if there, ok2 := c.RemoteAddr().(*net.TCPAddr); !ok || !ok2 || !here.IP.Equal(there.IP) {
		return
	}
	if raw, err := c.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) {
			if name, err := unix.GetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION); err == nil && strings.HasPrefix(name, "bbr") {
				unix.SetsockoptString(int(fd), unix.IPPROTO_TCP, unix.TCP_CONGESTION, "reno")
			}
		})
	}
}
