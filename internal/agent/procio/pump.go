package procio

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

const (
	// InitialCredit is how many bytes of output an agent sends before the
	// launcher's first Grant. The launcher grants what it has written out.
	InitialCredit = 1 << 20
	// PieceSize is the most that one Output carries.
	PieceSize = 32 << 10
)

// A Credit is the output bytes that may still be sent, shared by all pumps.
type Credit struct {
	mu     sync.Mutex
	more   sync.Cond
	left   int
	closed bool
}

// NewCredit has n bytes to give.
func NewCredit(n int) *Credit {
	c := &Credit{left: n}
	c.more.L = &c.mu
	return c
}

// Take returns at most n bytes of credit, 0 when there is none.
func (c *Credit) Take(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n = min(n, c.left)
	c.left -= n
	return n
}

// Give adds credit: a grant, or what a pump took and did not need.
func (c *Credit) Give(n int) {
	if n <= 0 {
		return
	}
	c.mu.Lock()
	c.left += n
	c.mu.Unlock()
	c.more.Broadcast()
}

// Wait returns true when there is credit, false when the agent is leaving.
func (c *Credit) Wait() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.left == 0 && !c.closed {
		c.more.Wait()
	}
	return !c.closed
}

// Close ends all waiting: there will be no more.
func (c *Credit) Close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.more.Broadcast()
}

// pieces are read buffers. A pump holds one only while there is something to
// read, so idle processes cost none.
var pieces = sync.Pool{New: func() any { return new([PieceSize]byte) }}

// A Pump moves one output pipe of a process to the launcher.
type Pump struct {
	File   *os.File // non-blocking
	Credit *Credit
	Emit   func(data []byte) // takes data over
}

// Run ends at the pipe's end, or at the file's read deadline once what was in
// the pipe then is sent, or when the credit is closed.
func (p *Pump) Run() {
	raw, err := p.File.SyscallConn()
	if err != nil {
		return
	}
	for {
		switch err := p.piece(raw.Read, PieceSize); {
		case err == nil || err == errTaken:
		case errors.Is(err, os.ErrDeadlineExceeded):
			p.drain(raw)
			return
		default:
			return
		}
	}
}

// drain sends what is in the pipe now and no more: its other end is held by a
// process that may go on writing for ever.
func (p *Pump) drain(raw syscall.RawConn) {
	left := 0
	raw.Control(func(fd uintptr) { left, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	once := func(try func(fd uintptr) bool) error {
		return raw.Control(func(fd uintptr) { try(fd) })
	}
	for left > 0 {
		before := left
		emit := p.Emit
		counted := &Pump{p.File, p.Credit, func(data []byte) { left -= len(data); emit(data) }}
		switch err := counted.piece(once, min(left, PieceSize)); {
		case err == errTaken: // what is left stays ours to send
		case err != nil || left == before:
			return
		}
	}
}

// errTaken is a piece's error when other pumps were faster and took the credit: it is
// to be waited for again.
var errTaken = errors.New("the credit is taken")

// piece reads once, at most limit bytes and as much as there is credit, through
// access, which calls back when the pipe may be readable.
func (p *Pump) piece(access func(func(fd uintptr) bool) error, limit int) error {
	if !p.Credit.Wait() {
		return os.ErrClosed
	}
	var data []byte
	var readErr error
	err := access(func(fd uintptr) bool {
		grant := p.Credit.Take(limit)
		if grant == 0 {
			readErr = errTaken
			return true
		}
		buf := pieces.Get().(*[PieceSize]byte)
		defer pieces.Put(buf)
		n, err := readNoIntr(int(fd), buf[:grant])
		p.Credit.Give(grant - max(n, 0))
		switch {
		case err == syscall.EAGAIN:
			return false
		case err != nil:
			readErr = err
		case n == 0:
			readErr = io.EOF
		default:
			data = append(data, buf[:n]...)
		}
		return true
	})
	if err == nil {
		err = readErr
	}
	if len(data) > 0 {
		p.Emit(data)
	}
	return err
}

func readNoIntr(fd int, b []byte) (int, error) {
	for {
		n, err := syscall.Read(fd, b)
		if err != syscall.EINTR {
			return n, err
		}
	}
}
