package stdin

import (
	"os"
	"slices"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"gridrun/internal/wire"
)

// A Feeder reads the launcher's standard input for the processes that get it.
//
//  1. It waits, without reading, until there is input, and offers it.
//  2. It reads as much as one process wants and keeps it for the others, each of
//     which gets it at its own pace (see spool): a process that is slow, or never
//     reads, holds up nobody.
//  3. The end of input goes to each process behind the last byte.
//
// A terminal is read only while the launcher is its foreground job: a background
// job that reads would be stopped (SIGTTIN).
type Feeder struct {
	fd     int
	tty    bool
	failed func(error) // input cannot be kept
	wake   [2]int      // a pipe: a byte for every change of sinks or ended
	done   chan struct{}

	mu    sync.Mutex
	sinks []*Sink // those that have not got the end
	spool spool
	eof   bool
	ended bool
}

// A Sink is a process that gets the input.
type Sink struct {
	Proc    int
	Send    func(wire.Message)
	at      int64 // what it has got of the stream
	window  int   // bytes that it can still take
	once    bool  // by one read
	started bool
	offered bool // it knows that there is more
}

// maxInput is the most that is read at once, in bytes.
const maxInput = 32 << 10

// New reads file for processes that will start.
func New(file *os.File, sinks []*Sink, failed func(error)) (*Feeder, error) {
	f := &Feeder{fd: int(file.Fd()), sinks: sinks, failed: failed, done: make(chan struct{})}
	if err := unix.Pipe2(f.wake[:], unix.O_CLOEXEC|unix.O_NONBLOCK); err != nil {
		return nil, os.NewSyscallError("pipe", err)
	}
	_, err := unix.IoctlGetTermios(f.fd, unix.TCGETS)
	f.tty = err == nil
	go f.run()
	return f, nil
}

// Started says that a process can be offered input.
func (f *Feeder) Started(proc int) {
	f.change(func() (changed bool) {
		for _, s := range f.sinks {
			if s.Proc == proc && !s.started {
				s.started, changed = true, true
			}
		}
		return changed
	})
}

// Want widens the window of a process, or drops it at its end.
func (f *Feeder) Want(m *wire.Want) {
	if m.End {
		f.Drop(m.Proc)
		return
	}
	f.change(func() (changed bool) {
		for _, s := range f.sinks {
			if s.Proc == m.Proc {
				s.window, s.once, s.offered, changed = s.window+max(m.N, 0), m.Once, false, true
			}
		}
		return changed
	})
}

// Drop forgets a process.
func (f *Feeder) Drop(proc int) {
	f.change(func() (changed bool) {
		before := len(f.sinks)
		f.sinks = slices.DeleteFunc(f.sinks, func(s *Sink) bool { return s.Proc == proc })
		return len(f.sinks) < before
	})
}

// change wakes the reader if how has changed something: most processes have no
// part in the input.
func (f *Feeder) change(how func() (changed bool)) {
	f.mu.Lock()
	changed := how()
	f.mu.Unlock()
	if changed {
		unix.Write(f.wake[1], []byte{0})
	}
}

// Close ends the reader and waits for it, also when input is still to come. Only
// a read that another process has emptied the pipe under is not waited for: it
// ends when the launcher does.
func (f *Feeder) Close() {
	f.change(func() bool { f.ended = true; return true })
	select {
	case <-f.done:
		unix.Close(f.wake[0])
		unix.Close(f.wake[1])
	case <-time.After(time.Second):
	}
}

func (f *Feeder) run() {
	defer close(f.done)
	defer f.spool.close()
	buf := make([]byte, maxInput)
	for {
		f.mu.Lock()
		err := f.deliver()
		wanted, look := f.need()
		ended := f.ended
		f.mu.Unlock()
		if err != nil {
			f.failed(err)
			return
		}
		if ended {
			return
		}
		if !f.readable(look) {
			continue
		}
		if wanted == 0 {
			f.mu.Lock()
			f.offer()
			f.mu.Unlock()
			continue
		}
		n, err := unix.Read(f.fd, buf[:min(wanted, len(buf))])
		f.mu.Lock()
		switch {
		case err == unix.EINTR || err == unix.EAGAIN:
			err = nil
		case err != nil || n == 0:
			f.eof, err = true, nil
		default:
			err = f.spool.append(buf[:n])
		}
		f.mu.Unlock()
		if err != nil {
			f.failed(err)
			return
		}
	}
}

// deliver sends what is kept to those who want it, offers it to those who do
// not yet, and sends the end.
func (f *Feeder) deliver() error {
	least := f.spool.end
	for _, s := range f.sinks {
		for s.window > 0 && s.at < f.spool.end {
			data, err := f.spool.read(s.at, min(s.window, maxInput))
			if err != nil {
				return err
			}
			s.at += int64(len(data))
			if s.window -= len(data); s.once {
				s.window = 0
			}
			s.Send(&wire.Input{Proc: s.Proc, Data: data})
		}
		least = min(least, s.at)
		if s.window == 0 && s.at < f.spool.end {
			s.offer()
		}
	}
	f.spool.trim(max(least, f.spool.base))
	f.sinks = slices.DeleteFunc(f.sinks, func(s *Sink) bool {
		if !f.eof || s.at < f.spool.end {
			return false
		}
		s.Send(&wire.Input{Proc: s.Proc})
		return true
	})
	return nil
}

func (s *Sink) offer() {
	if s.started && !s.offered {
		s.offered = true
		s.Send(&wire.Offer{Proc: s.Proc})
	}
}

// need says how many bytes are wanted now, and whether it is of any use to look
// for input at all.
func (f *Feeder) need() (wanted int, look bool) {
	if f.eof {
		return 0, false
	}
	for _, s := range f.sinks {
		wanted = max(wanted, s.window)
		look = look || s.window > 0 || s.started && !s.offered
	}
	return wanted, look
}

// offer tells everybody who waits for news that there is input; the end of it
// needs no telling.
func (f *Feeder) offer() {
	if f.atEnd() {
		f.eof = true
		return
	}
	for _, s := range f.sinks {
		s.offer()
	}
}

// atEnd says whether input that can be read is nothing but its end, as far as
// that shows without reading.
func (f *Feeder) atEnd() bool {
	var stat unix.Stat_t
	if unix.Fstat(f.fd, &stat) != nil {
		return true // closed
	}
	switch stat.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		at, err := unix.Seek(f.fd, 0, unix.SEEK_CUR)
		return err == nil && at >= stat.Size
	case unix.S_IFCHR:
		return stat.Rdev == unix.Mkdev(1, 3) // /dev/null
	case unix.S_IFIFO, unix.S_IFSOCK:
		polls := []unix.PollFd{{Fd: int32(f.fd), Events: unix.POLLIN}}
		n, err := unix.Poll(polls, 0)
		return err == nil && n == 1 && polls[0].Revents&unix.POLLIN == 0 // nobody will write
	}
	return false
}

// foregroundPoll is how often a background job looks whether it has the terminal.
const foregroundPoll = 250 * time.Millisecond

// readable waits for input, if look, or for a change. It is true when a read now
// neither blocks nor stops us.
func (f *Feeder) readable(look bool) bool {
	polls := []unix.PollFd{{Fd: int32(f.wake[0]), Events: unix.POLLIN}}
	limit := -1
	if look && f.tty && !f.foreground() {
		limit = int(foregroundPoll.Milliseconds())
	} else if look {
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

func (f *Feeder) foreground() bool {
	group, err := unix.IoctlGetInt(f.fd, unix.TIOCGPGRP)
	return err == nil && group == unix.Getpgrp()
}
