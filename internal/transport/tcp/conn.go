package tcp

import (
	"net"
	"time"
)

// A carrier is a connection as a link uses it: a [stream], which goroutines
// read and write, or a socket, which is polled.
type carrier interface {
	// write writes some of iov. What the kernel does not take at once a carrier
	// waits for if block is set; a socket never does.
	write(iov [][]byte, block bool) (int, error)
	// direct says that write without block is of use.
	direct() bool
	// closeWrite tells the peer's kernel that nothing more will come.
	closeWrite()
	// expire ends reading in d, and a write under way at once if writing is set.
	expire(d time.Duration, writing bool)
	// roundTrip is the kernel's idea of it, 0 when it has none.
	roundTrip() time.Duration
	// overdue says whether the other end owes an acknowledgement; see watch.
	overdue() bool
	remote() net.Addr
	// close ends what is under way.
	close()
}

// conn is the connection that carries a link's frames.
type conn struct {
	carrier
	out output

	polled bool
	sealed bool   // a polled one encrypts
	in     *input // of a polled one
	ended  error  // why a polled one is not read any more; under link.mu
	full   bool   // the kernel took no more from a polled one; under link.mu
}

// stream is a net.Conn: that of a system without epoll, one that is not TCP's.
type stream struct {
	c      net.Conn
	tcp    *net.TCPConn // below c; nil: none
	gather *gatherer    // nil: not possible here
	buffer []byte       // gathers small slices where gather is nil
}

func newStream(c net.Conn) *stream {
	return &stream{c: c, tcp: underlying(c), gather: newGatherer(c)}
}

func (s *stream) direct() bool     { return s.gather != nil }
func (s *stream) closeWrite()      { closeWrite(s.c) }
func (s *stream) remote() net.Addr { return s.c.RemoteAddr() }

func (s *stream) overdue() (due bool) {
	if s.tcp == nil {
		return false
	}
	if raw, err := s.tcp.SyscallConn(); err == nil {
		raw.Control(func(fd uintptr) { due = overdue(int(fd)) })
	}
	return due
}

func (s *stream) roundTrip() time.Duration { return 0 } // has no lanes

func (s *stream) expire(d time.Duration, writing bool) {
	if writing {
		s.c.SetWriteDeadline(past)
	}
	if d <= 0 {
		s.c.SetReadDeadline(past)
	} else {
		s.c.SetReadDeadline(time.Now().Add(d))
	}
}

// close ends what is under way at once; encryption would first say goodbye,
// for which the farewell has been sent.
func (s *stream) close() {
	if s.tcp != nil {
		s.tcp.Close()
	} else {
		s.c.Close()
	}
}

func (s *stream) write(iov [][]byte, block bool) (int, error) {
	if s.gather != nil {
		return s.gather.write(iov, block)
	}
	if !block {
		return 0, nil
	}
	if s.buffer == nil {
		s.buffer = make([]byte, 0, gatherBytes)
	}
	b := s.buffer[:0]
	for _, p := range iov {
		if len(b)+len(p) > gatherBytes {
			break
		}
		b = append(b, p...)
	}
	if len(b) == 0 {
		b = iov[0]
	}
	return s.c.Write(b)
}

// gatherBytes is what one write without a gatherer holds: a TLS record.
const gatherBytes = 16 << 10

// underlying is the TCP connection below c, nil if there is none.
func underlying(c net.Conn) *net.TCPConn {
	if sealed, ok := c.(interface{ NetConn() net.Conn }); ok {
		c = sealed.NetConn()
	}
	if v, ok := c.(*veil); ok {
		c = v.Conn
	}
	t, _ := c.(*net.TCPConn)
	return t
}

// closeWrite tells the peer's kernel that nothing more will come.
func closeWrite(c net.Conn) {
	if h, ok := c.(interface{ CloseWrite() error }); ok {
		h.CloseWrite()
	}
}
