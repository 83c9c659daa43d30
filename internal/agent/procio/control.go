package procio

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"gridrun/internal/wire"
)

// maxConns is how many packets may wait for a process before further
// connections for it are refused; they hold descriptors.
const maxConns = 512

// A Packet is one encoded message on its way to a process, with at most one
// descriptor, which the packet owns. 0 is none: standard input is never sent.
type Packet struct {
	Data []byte
	FD   int
}

// Drop gives the descriptor up.
func (p Packet) Drop() {
	if p.FD != 0 {
		syscall.Close(p.FD)
	}
}

// A Control is the agent's end of a process's control socket. What it sends is
// queued, and written by a short-lived goroutine, so that a process that does not
// read holds up nobody.
type Control struct {
	file *os.File // SOCK_SEQPACKET, non-blocking
	raw  syscall.RawConn
	wg   *sync.WaitGroup

	mu    sync.Mutex
	queue []Packet
	busy  bool
	ended bool
}

// OpenControl makes a control socket with the packet welcome in it. The
// process's end is closed on exec.
func OpenControl(welcome Packet, wg *sync.WaitGroup) (theirs int, ours *Control, err error) {
	mine, theirs, err := controlPair()
	if err != nil {
		return -1, nil, err
	}
	if err = sendPacket(mine, welcome); err != nil {
		syscall.Close(mine)
		err = fmt.Errorf("welcome of %d bytes: %w", len(welcome.Data), err)
	} else {
		ours, err = newControl(mine, wg)
	}
	if err != nil {
		syscall.Close(theirs)
		return -1, nil, err
	}
	return theirs, ours, nil
}

// newControl takes fd over.
func newControl(fd int, wg *sync.WaitGroup) (*Control, error) {
	if err := syscall.SetNonblock(fd, true); err != nil {
		syscall.Close(fd)
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "control")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &Control{file: file, raw: raw, wg: wg}, nil
}

// Send queues p, in order, and never blocks; after close it drops it.
func (c *Control) Send(p Packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || p.FD != 0 && len(c.queue) >= maxConns {
		p.Drop()
		return
	}
	c.queue = append(c.queue, p)
	if !c.busy {
		c.busy = true
		c.wg.Go(c.write)
	}
}

func (c *Control) write() {
	for {
		c.mu.Lock()
		if len(c.queue) == 0 {
			c.busy = false
			c.mu.Unlock()
			return
		}
		p := c.queue[0]
		c.queue = c.queue[1:]
		c.mu.Unlock()
		var sent error
		err := c.raw.Write(func(fd uintptr) bool {
			sent = sendPacket(int(fd), p)
			return sent != syscall.EAGAIN
		})
		p.Drop()
		if err != nil || sent == syscall.EPIPE || sent == syscall.ECONNRESET {
			c.mute() // nobody holds the other end any more
		}
	}
}

// sendPacket tries to send p once.
func sendPacket(fd int, p Packet) error {
	var rights []byte
	if p.FD != 0 {
		rights = syscall.UnixRights(p.FD)
	}
	for {
		err := syscall.Sendmsg(fd, p.Data, rights, nil, syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT)
		if err != syscall.EINTR {
			return err
		}
	}
}

// Receive returns the process's next message: io.EOF when every holder of the
// socket is gone, wire.ErrControl for a packet that is none (others follow).
func (c *Control) Receive() (wire.Message, error) {
	var data []byte
	var readErr error
	err := c.raw.Read(func(fd uintptr) bool {
		// The size first, so that a process which says nothing costs no buffer.
		size, _, err := syscall.Recvfrom(int(fd), nil, syscall.MSG_PEEK|syscall.MSG_TRUNC|syscall.MSG_DONTWAIT)
		if err == syscall.EAGAIN || err == syscall.EINTR {
			return false
		}
		switch {
		case err != nil:
			readErr = err
		case size == 0:
			readErr = io.EOF
		default:
			data = make([]byte, min(size, wire.MaxControl))
			// Descriptors that come along are dropped by the kernel: there is no room for them.
			_, _, readErr = syscall.Recvfrom(int(fd), data, syscall.MSG_DONTWAIT)
			if size > wire.MaxControl {
				readErr = fmt.Errorf("%w: packet of %d bytes", wire.ErrControl, size)
			}
		}
		return true
	})
	if err == nil {
		err = readErr
	}
	if err != nil {
		return nil, err
	}
	return wire.Unmarshal(data)
}

// mute drops what is queued and what will be sent. What the process has said
// can still be received.
func (c *Control) mute() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for _, p := range c.queue {
		p.Drop()
	}
	c.queue = nil
}

// Close ends reader and writer.
func (c *Control) Close() error {
	c.mute()
	return c.file.Close() // fails only when closed before
}

// Offer leaves p in the socket at once: the process is not there yet.
func (c *Control) Offer(p Packet) error {
	var sent error
	err := c.raw.Control(func(fd uintptr) { sent = sendPacket(int(fd), p) })
	p.Drop()
	return errors.Join(err, sent)
}

// EndBy has Receive deliver what is there by then, and no more.
func (c *Control) EndBy(t time.Time) {
	c.file.SetReadDeadline(t) // fails only when closed
}

// controlPair returns the agent's and the process's end of a new control
// socket, both closed on exec.
func controlPair() (ours, theirs int, err error) {
	pair, err := syscall.Socketpair(syscall.AF_UNIX, syscall.SOCK_SEQPACKET|syscall.SOCK_CLOEXEC, 0)
	if err != nil {
		return -1, -1, os.NewSyscallError("socketpair", err)
	}
	// The largest message must fit; the system's maximum, usually 208 KiB, is
	// enough for jobs of ten thousand ranks.
	unix.SetsockoptInt(pair[0], unix.SOL_SOCKET, unix.SO_SNDBUF, wire.MaxControl)
	return pair[0], pair[1], nil
}
