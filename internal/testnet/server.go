//go:build linux

package testnet

import (
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// server is a running process of OpenSSH, held by a pidfd.
type server struct{ pid, fd int }

// openServer returns nil if the process has ended.
func openServer(pid int) (*server, error) {
	fd, err := unix.PidfdOpen(pid, 0)
	if errors.Is(err, unix.ESRCH) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("pidfd_open %d: %w", pid, err)
	}
	s := &server{pid: pid, fd: fd}
	if s.ended(0) {
		unix.Close(fd)
		return nil, nil
	}
	return s, nil
}

func (s *server) kill() error {
	if err := unix.PidfdSendSignal(s.fd, unix.SIGKILL, nil, 0); err != nil && !errors.Is(err, unix.ESRCH) {
		return fmt.Errorf("testnet: kill process %d: %w", s.pid, err)
	}
	return nil
}

// awaitEnd waits until the process has ended, reaped or not: the kernel closes
// its descriptors before it says so.
func (s *server) awaitEnd() error {
	defer unix.Close(s.fd)
	if !s.ended(exitTime) {
		return fmt.Errorf("testnet: process %d still runs %v after SIGKILL", s.pid, exitTime)
	}
	return nil
}

func (s *server) ended(wait time.Duration) bool {
	deadline := time.Now().Add(wait)
	for {
		fds := []unix.PollFd{{Fd: int32(s.fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(max(time.Until(deadline), 0).Milliseconds()))
		if !errors.Is(err, unix.EINTR) {
			return err == nil && n == 1
		}
	}
}
