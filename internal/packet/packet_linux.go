package packet

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"

	"gridrun/internal/wire"
)

// A Conn is one end. Send and Receive may be used at the same time, each by
// any number of goroutines.
type Conn struct {
	file *os.File
	raw  syscall.RawConn
	rm   sync.Mutex
}

// Open takes over descriptor fd, an inherited seqpacket socket, and closes it
// on exec. It fails when fd is something else.
func Open(fd int) (*Conn, error) {
	kind, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
	if err != nil {
		return nil, fmt.Errorf("descriptor %d is no control socket: %w", fd, err)
	}
	if kind != unix.SOCK_SEQPACKET {
		return nil, fmt.Errorf("descriptor %d is a socket of type %d, want seqpacket", fd, kind)
	}
	unix.CloseOnExec(fd)
	if err := unix.SetNonblock(fd, true); err != nil {
		return nil, err
	}
	file := os.NewFile(uintptr(fd), "control")
	raw, err := file.SyscallConn()
	if err != nil {
		file.Close()
		return nil, err
	}
	return &Conn{file: file, raw: raw}, nil
}

// Pair returns two connected ends.
func Pair() (a, b *Conn, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, os.NewSyscallError("socketpair", err)
	}
	if a, err = Open(fds[0]); err == nil {
		if b, err = Open(fds[1]); err == nil {
			return a, b, nil
		}
		a.Close()
	}
	unix.Close(fds[1])
	return nil, nil, err
}

// File returns the socket, for a child process to inherit.
func (c *Conn) File() *os.File { return c.file }

// Close ends pending calls.
func (c *Conn) Close() error { return c.file.Close() }

// Send sends m and a duplicate of f, unless f is nil.
func (c *Conn) Send(m wire.Message, f *os.File) error {
	b, err := wire.Marshal(m)
	if err != nil {
		return err
	}
	var rights []byte
	if f != nil {
		rights = unix.UnixRights(int(f.Fd()))
	}
	var serr error
	err = c.raw.Write(func(fd uintptr) bool {
		for {
			serr = unix.Sendmsg(int(fd), b, rights, nil, unix.MSG_NOSIGNAL|unix.MSG_DONTWAIT)
			if serr != unix.EINTR {
				return serr != unix.EAGAIN
			}
		}
	})
	return errors.Join(err, serr)
}

// Receive returns the next message and the descriptor that came with it, or
// nil; the caller closes it. At the other end's close it returns io.EOF.
func (c *Conn) Receive() (wire.Message, *os.File, error) {
	c.rm.Lock()
	defer c.rm.Unlock()
	var data []byte
	var f *os.File
	var rerr error
	err := c.raw.Read(func(fd uintptr) bool {
		data, f, rerr = receive(int(fd))
		return rerr != unix.EAGAIN
	})
	if err == nil {
		err = rerr
	}
	if err != nil {
		return nil, nil, err
	}
	m, err := wire.Unmarshal(data)
	if err != nil && f != nil {
		f.Close()
		f = nil
	}
	return m, f, err
}

func receive(fd int) ([]byte, *os.File, error) {
	// The size first, so that the buffer fits: most messages are tiny.
	var size int
	var err error
	for {
		if size, _, err = unix.Recvfrom(fd, nil, unix.MSG_PEEK|unix.MSG_TRUNC|unix.MSG_DONTWAIT); err != unix.EINTR {
			break
		}
	}
	if err != nil {
		return nil, nil, err
	}
	if size == 0 {
		return nil, nil, io.EOF
	}
	if size > wire.MaxControl {
		return nil, nil, fmt.Errorf("%w: packet of %d bytes", wire.ErrControl, size)
	}
	data := make([]byte, size)
	rights := make([]byte, unix.CmsgSpace(4))
	n, rn, _, _, err := unix.Recvmsg(fd, data, rights, unix.MSG_CMSG_CLOEXEC|unix.MSG_DONTWAIT)
	if err != nil {
		return nil, nil, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:rn])
	if err != nil {
		return nil, nil, err
	}
	var f *os.File
	for i := range messages {
		fds, err := unix.ParseUnixRights(&messages[i])
		if err != nil {
			return nil, nil, err
		}
		for _, fd := range fds {
			if f != nil {
				unix.Close(fd)
				continue
			}
			f = os.NewFile(uintptr(fd), "received")
		}
	}
	return data[:n], f, nil
}
