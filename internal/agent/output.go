package agent

import (
	"errors"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"gridrun/internal/wire"
)

const (
	// InitialCredit is how many bytes of output an agent sends before the
	// launcher's first Grant. The launcher grants what it has written out.
	InitialCredit = 1 << 20
	// pieceSize is the most that one Output carries.
	pieceSize = 32 << 10
)

// A credit is the output bytes that may still be sent, shared by all pumps.
type credit struct {
	mu     sync.Mutex
	more   sync.Cond
	left   int
	closed bool
}

func newCredit(n int) *credit {
	c := &credit{left: n}
	c.more.L = &c.mu
	return c
}

// take returns at most n bytes of credit, 0 when there is none.
func (c *credit) take(n int) int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n = min(n, c.left)
	c.left -= n
	return n
}

// give adds credit: a grant, or what a pump took and did not need.
func (c *credit) give(n int) {
	if n <= 0 {
		return
	}
	c.mu.Lock()
	c.left += n
	c.mu.Unlock()
	c.more.Broadcast()
}

// wait returns true when there is credit, false when the agent is leaving.
func (c *credit) wait() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.left == 0 && !c.closed {
		c.more.Wait()
	}
	return !c.closed
}

func (c *credit) close() {
	c.mu.Lock()
	c.closed = true
	c.mu.Unlock()
	c.more.Broadcast()
}

// pieces are read buffers. A pump holds one only while there is something to
// read, so idle processes cost none.
var pieces = sync.Pool{New: func() any { return new([pieceSize]byte) }}

// A pump moves one output pipe of a process to the launcher.
type pump struct {
	file   *os.File // non-blocking
	credit *credit
	emit   func(data []byte) // takes data over
}

// run ends at the pipe's end, or at the file's read deadline once what was in
// the pipe then is sent, or when the credit is closed.
func (p *pump) run() {
	raw, err := p.file.SyscallConn()
	if err != nil {
		return
	}
	for {
		err := p.piece(raw.Read, pieceSize)
		if errors.Is(err, os.ErrDeadlineExceeded) {
			p.drain(raw)
			return
		}
		if err != nil {
			return
		}
	}
}

// drain sends what is in the pipe now and no more: its other end is held by a
// process that may go on writing for ever.
func (p *pump) drain(raw syscall.RawConn) {
	left := 0
	raw.Control(func(fd uintptr) { left, _ = unix.IoctlGetInt(int(fd), unix.TIOCINQ) })
	once := func(try func(fd uintptr) bool) error {
		return raw.Control(func(fd uintptr) { try(fd) })
	}
	for left > 0 {
		before := left
		emit := p.emit
		counted := &pump{p.file, p.credit, func(data []byte) { left -= len(data); emit(data) }}
		if counted.piece(once, min(left, pieceSize)) != nil || left == before {
			return
		}
	}
}

// piece reads once, at most limit bytes and as much as there is credit, through
// access, which calls back when the pipe may be readable.
func (p *pump) piece(access func(func(fd uintptr) bool) error, limit int) error {
	if !p.credit.wait() {
		return os.ErrClosed
	}
	var data []byte
	var readErr error
	err := access(func(fd uintptr) bool {
		grant := p.credit.take(limit)
		if grant == 0 {
			return true // another pump was faster; wait for credit again
		}
		buf := pieces.Get().(*[pieceSize]byte)
		defer pieces.Put(buf)
		n, err := readNoIntr(int(fd), buf[:grant])
		p.credit.give(grant - max(n, 0))
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
		p.emit(data)
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

// pumpOutput starts the pump of one output pipe of p; the loop learns its end.
func (a *agent) pumpOutput(p *process, file *os.File, stderr bool) {
	proc := p.spec.Proc
	spoke := false
	out := &pump{file, a.credit, func(data []byte) {
		spoke = true
		a.link.sendOutput(&wire.Output{Proc: proc, Stderr: stderr, Data: data})
	}}
	a.wg.Go(func() {
		out.run()
		file.Close()
		if spoke { // else its end goes without saying: Exit follows
			a.link.send(&wire.Output{Proc: proc, Stderr: stderr, EOF: true})
		}
		a.post(func() { a.streamEnded(p) })
	})
}
