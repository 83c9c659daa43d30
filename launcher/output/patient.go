package output

import (
	"errors"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Patient writes to a file that some other process may have made non-blocking: a
// terminal or a pipe is shared with whoever inherited it, and some programs do
// that. Where nothing more goes in, it waits.
type Patient struct{ *os.File }

func (p Patient) Write(b []byte) (n int, err error) {
	for {
		var m int
		m, err = p.File.Write(b[n:])
		n += m
		if !errors.Is(err, syscall.EAGAIN) {
			return n, err
		}
		if err := p.room(); err != nil {
			return n, err
		}
	}
}

// room waits until something can be written, or an error is to be had.
func (p Patient) room() error {
	raw, err := p.SyscallConn()
	if err != nil {
		return err
	}
	var polled error
	err = raw.Control(func(fd uintptr) {
		_, polled = unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLOUT}}, -1)
	})
	if errors.Is(polled, syscall.EINTR) {
		polled = nil
	}
	return errors.Join(err, polled)
}
