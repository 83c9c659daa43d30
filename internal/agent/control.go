package agent

import (
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"gridrun/internal/wire"
)

// maxConns is how many packets may wait for a process before further
// connections for it are refused; they hold descriptors.
const maxConns = 512

// A packet is one encoded message on its way to a process, with at most one
// descriptor, which the packet owns. 0 is none: standard input is never sent.
type packet struct {
	data []byte
	fd   int
}

func (p packet) drop() {
	if p.fd != 0 {
		syscall.Close(p.fd)
	}
}

// A control is the agent's end of a process's control socket. What it sends is
// queued, and written by a short-lived goroutine, so that a process that does not
// read holds up nobody.
type control struct {
	file *os.File // SOCK_SEQPACKET, non-blocking
	raw  syscall.RawConn
	wg   *sync.WaitGroup

	mu    sync.Mutex
	queue []packet
	busy  bool
	ended bool
}

// newControl takes fd over.
func newControl(fd int, wg *sync.WaitGroup) (*control, error) {
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
	return &control{file: file, raw: raw, wg: wg}, nil
}

// send queues p, in order, and never blocks; after close it drops it.
func (c *control) send(p packet) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.ended || p.fd != 0 && len(c.queue) >= maxConns {
		p.drop()
		return
	}
	c.queue = append(c.queue, p)
	if !c.busy {
		c.busy = true
		c.wg.Go(c.write)
	}
}

func (c *control) write() {
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
		p.drop()
		if err != nil || sent == syscall.EPIPE || sent == syscall.ECONNRESET {
			c.mute() // nobody holds the other end any more
		}
	}
}

// sendPacket tries to send p once.
func sendPacket(fd int, p packet) error {
	var rights []byte
	if p.fd != 0 {
		rights = syscall.UnixRights(p.fd)
	}
	for {
		err := syscall.Sendmsg(fd, p.data, rights, nil, syscall.MSG_NOSIGNAL|syscall.MSG_DONTWAIT)
		if err != syscall.EINTR {
			return err
		}
	}
}

// receive returns the process's next message: io.EOF when every holder of the
// socket is gone, wire.ErrControl for a packet that is none (others follow).
func (c *control) receive() (wire.Message, error) {
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
func (c *control) mute() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.ended = true
	for _, p := range c.queue {
		p.drop()
	}
	c.queue = nil
}

// close ends reader and writer.
func (c *control) close() {
	c.mute()
	c.file.Close() // fails only when closed before
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
