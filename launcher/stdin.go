package launcher

import (
	"os"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gridrun/internal/wire"
)

// A feeder reads the launcher's standard input for one process, as far as that
// process wants it. A terminal is read only while the launcher is its
// foreground job: a background job that reads would be stopped (SIGTTIN).
type feeder struct {
	fd   int
	tty  bool
	send func(*wire.Input)
	wake [2]int // a pipe: a byte for every change of window or ended
	done chan struct{}

	mu     sync.Mutex
	window int // bytes that the process can still take
	ended  bool
}

// maxInput is the most that is read at once, in bytes.
const maxInput = 32 << 10

func newFeeder(file *os.File, send func(*wire.Input)) (*feeder, error) {
	f := &feeder{fd: int(file.Fd()), send: send, done: make(chan struct{})}
	if err := unix.Pipe2(f.wake[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	_, err := unix.IoctlGetTermios(f.fd, unix.TCGETS)
	f.tty = err == nil
	go f.run()
	return f, nil
}

// want widens the window by n bytes.
func (f *feeder) want(n int) {
	f.mu.Lock()
	f.window += max(n, 0)
	f.mu.Unlock()
	f.ring()
}

// close ends the reader and waits for it, also when input is still to come. Only
// a read that another process has emptied the pipe under is not waited for: it
// ends when the launcher does.
func (f *feeder) close() {
	f.mu.Lock()
	f.ended = true
	f.mu.Unlock()
	f.ring()
	select {
	case <-f.done:
		unix.Close(f.wake[0])
		unix.Close(f.wake[1])
	case <-time.After(time.Second):
	}
}

func (f *feeder) ring() { unix.Write(f.wake[1], []byte{0}) }

func (f *feeder) run() {
	defer close(f.done)
	buf := make([]byte, maxInput)
	for {
		f.mu.Lock()
		window, ended := f.window, f.ended
		f.mu.Unlock()
		if ended {
			return
		}
		if !f.readable(window > 0) {
			continue
		}
		n, err := unix.Read(f.fd, buf[:min(window, len(buf))])
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
		case err != nil || n == 0:
			f.send(&wire.Input{})
			return
		default:
			f.mu.Lock()
			f.window -= n
			f.mu.Unlock()
			f.send(&wire.Input{Data: append([]byte(nil), buf[:n]...)})
		}
	}
}

// foregroundPoll is how often a background job looks whether it has the terminal.
const foregroundPoll = 250 * time.Millisecond

// readable waits for input, or for a change. It is true when a read now
// neither blocks nor stops us.
func (f *feeder) readable(wanted bool) bool {
	polls := []unix.PollFd{{Fd: int32(f.wake[0]), Events: unix.POLLIN}}
	limit := -1
	if wanted && f.tty && !f.foreground() {
		limit = int(foregroundPoll.Milliseconds())
	} else if wanted {
		polls = append(polls, unix.PollFd{Fd: int32(f.fd), Events: unix.POLLIN})
	}
	if _, err := unix.Poll(polls, limit); err != nil {
		return false
	}
	if polls[0].Revents != 0 {
		var drop [64]byte
		unix.Read(f.wake[0], drop[:])
		return false
	}
	return len(polls) > 1 && polls[1].Revents != 0 && (!f.tty || f.foreground())
}

func (f *feeder) foreground() bool {
	group, err := unix.IoctlGetInt(f.fd, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
