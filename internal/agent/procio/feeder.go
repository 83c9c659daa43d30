package procio

import (
	"os"
	"sync"
	"syscall"
	"time"
)

const (
	// inputWindow is how much input the launcher may send a process ahead of what
	// its pipe has taken, in bytes, once the process has read as much.
	inputWindow = 64 << 10
	// FirstInput is the most that is fetched for a process's first read; each
	// later one may have twice as much.
	FirstInput = 4 << 10
)

// A Feeder writes the launcher's standard input to one process. At first it
// fetches input only when the process is blocked in reading (see awaited); a
// process that has read a window is taken for one that reads on, and gets a
// window ahead. Short-lived goroutines watch and write while there is something
// to watch and to write.
type Feeder struct {
	file *os.File // non-blocking
	wg   *sync.WaitGroup
	pid  int
	want func(n int, once bool)
	gone func() // the process takes no more

	mu       sync.Mutex
	queue    [][]byte // an empty one is the end of input
	busy     bool
	watching bool
	next     int // bytes of the next single fetch; from inputWindow on, windows
	ended    chan struct{}
}

// NewFeeder feeds process pid through file. It calls want when it should be sent
// n bytes, for one read if once; gone, when the process takes no more. Its
// goroutines are in wg.
func NewFeeder(file *os.File, pid int, wg *sync.WaitGroup, want func(n int, once bool), gone func()) *Feeder {
	return &Feeder{file: file, wg: wg, pid: pid, want: want, gone: gone, next: FirstInput, ended: make(chan struct{})}
}

// Offer says that input waits at the launcher.
func (f *Feeder) Offer() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.watching || f.closed() || f.next >= inputWindow {
		return
	}
	f.watching = true
	f.wg.Go(f.watch)
}

// watch waits until the process reads, and asks for input then.
func (f *Feeder) watch() {
	var stat syscall.Stat_t
	raw, err := f.file.SyscallConn()
	if err == nil {
		raw.Control(func(fd uintptr) { err = syscall.Fstat(int(fd), &stat) })
	}
	wait := firstLook
	for look := 0; err == nil && !awaited(readers(f.pid, look), stat.Ino); look++ {
		select {
		case <-f.ended:
			return
		case <-time.After(wait):
			wait = min(wait*3/2, lastLook)
		}
	}
	f.mu.Lock()
	f.watching = false
	n := f.next
	f.next *= 2
	proven := f.next >= inputWindow
	f.mu.Unlock()
	if proven {
		f.want(inputWindow, false)
	} else {
		f.want(n, true)
	}
}

// Put queues data; an empty data is the end of input. It never blocks.
func (f *Feeder) Put(data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.closed() {
		return
	}
	f.queue = append(f.queue, data)
	if !f.busy {
		f.busy = true
		f.wg.Go(f.write)
	}
}

func (f *Feeder) write() {
	for {
		f.mu.Lock()
		if len(f.queue) == 0 || f.closed() {
			f.busy = false
			f.mu.Unlock()
			return
		}
		data := f.queue[0]
		f.queue = f.queue[1:]
		ahead := f.next >= inputWindow
		f.mu.Unlock()
		if len(data) == 0 {
			f.Close()
			continue
		}
		// A process that has closed its input gets no more of it: what it has not
		// read is left to whoever reads that terminal or pipe next.
		if _, err := f.file.Write(data); err != nil {
			f.Close()
			f.gone()
			continue
		}
		if ahead {
			f.want(len(data), false)
		}
	}
}

func (f *Feeder) closed() bool {
	select {
	case <-f.ended:
		return true
	default:
		return false
	}
}

// Close drops what is queued; a write in progress ends.
func (f *Feeder) Close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.closed() {
		close(f.ended)
		f.queue = nil
		f.file.Close()
	}
}
