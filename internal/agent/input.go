package agent

import (
	"os"
	"sync"

	"gridrun/internal/wire"
)

// inputWindow is how much input the launcher may send a process ahead of what
// its pipe has taken, in bytes.
const inputWindow = 64 << 10

// A feeder writes the launcher's standard input to one process. A short-lived
// goroutine does the writing while there is something to write.
type feeder struct {
	file  *os.File // non-blocking
	wg    *sync.WaitGroup
	taken func(n int) // the pipe has taken n bytes

	mu    sync.Mutex
	queue [][]byte // an empty one is the end of input
	busy  bool
	ended bool
}

// put queues data; an empty data is the end of input. It never blocks.
func (f *feeder) put(data []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.ended {
		return
	}
	f.queue = append(f.queue, data)
	if !f.busy {
		f.busy = true
		f.wg.Go(f.write)
	}
}

func (f *feeder) write() {
	for {
		f.mu.Lock()
		if len(f.queue) == 0 || f.ended {
			f.busy = false
			f.mu.Unlock()
			return
		}
		data := f.queue[0]
		f.queue = f.queue[1:]
		f.mu.Unlock()
		if len(data) == 0 {
			f.close()
			continue
		}
		// A process that has closed its input gets no more of it, and the launcher no more Want:
		// what it has not read yet is left to whoever reads that terminal or pipe next.
		if _, err := f.file.Write(data); err != nil {
			f.close()
			continue
		}
		f.taken(len(data))
	}
}

// close drops what is queued; a write in progress ends.
func (f *feeder) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.ended {
		f.ended, f.queue = true, nil
		f.file.Close()
	}
}

// feed makes p's feeder and opens its window.
func (a *agent) feed(p *process, file *os.File) {
	proc := p.spec.Proc
	p.stdin = &feeder{file: file, wg: &a.wg, taken: func(n int) {
		a.link.send(&wire.Want{Proc: proc, N: n})
	}}
	a.link.send(&wire.Want{Proc: proc, N: inputWindow})
}
