//go:build unix

package hostd

import (
	"fmt"
	"io"
	"net"
	"os"

	"golang.org/x/sys/unix"

	"gridrun/internal/wire"
)

// receive reads one packet and the descriptors that came with it, which are the caller's.
func receive(control *net.UnixConn) (wire.Message, []int, error) {
	// Peeking tells the length, so that a topology of many hosts fits and a small packet costs little.
	raw, err := control.SyscallConn()
	if err != nil {
		return nil, nil, err
	}
	size := 0
	var peekErr error
	if err := raw.Read(func(fd uintptr) bool {
		size, _, peekErr = unix.Recvfrom(int(fd), nil, unix.MSG_PEEK|unix.MSG_TRUNC)
		return peekErr != unix.EAGAIN && peekErr != unix.EINTR
	}); err != nil {
		return nil, nil, err
	}
	if peekErr != nil {
		return nil, nil, os.NewSyscallError("recvfrom", peekErr)
	}
	if size == 0 {
		return nil, nil, io.EOF
	}
	if size > wire.MaxControl {
		return nil, nil, fmt.Errorf("%w: a packet of %d bytes", wire.ErrControl, size)
	}
	buf, oob := make([]byte, size), make([]byte, unix.CmsgSpace(4*4))
	n, oobn, _, _, err := control.ReadMsgUnix(buf, oob)
	if err != nil {
		return nil, nil, err
	}
	fds, err := descriptors(oob[:oobn])
	if err != nil {
		return nil, nil, err
	}
	m, err := wire.Unmarshal(buf[:n])
	if err != nil {
		closeAll(fds)
		return nil, nil, err
	}
	return m, fds, nil
}

func descriptors(oob []byte) ([]int, error) {
	msgs, err := unix.ParseSocketControlMessage(oob)
	if err != nil {
		return nil, fmt.Errorf("descriptors of a packet: %w", err)
	}
	var fds []int
	for i := range msgs {
		got, err := unix.ParseUnixRights(&msgs[i])
		if err != nil {
			continue // credentials and the like
		}
		for _, fd := range got {
			unix.CloseOnExec(fd)
		}
		fds = append(fds, got...)
	}
	return fds, nil
}

func closeAll(fds []int) {
	for _, fd := range fds {
		unix.Close(fd)
	}
}

// streamConn takes over fd.
func streamConn(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "rank")
	defer f.Close()
	c, err := net.FileConn(f)
	if err != nil {
		return nil, fmt.Errorf("the descriptor received is no socket: %w", err)
	}
	u, ok := c.(*net.UnixConn)
	if !ok {
		c.Close()
		return nil, fmt.Errorf("the descriptor received is a %T, not a Unix socket", c)
	}
	return u, nil
}
