package output

import (
	"bytes"
	"sync"
	"sync/atomic"
	"time"
)

// A Folder runs a Fold: it has the clock, and passes on what is ready.
type Folder struct {
	format func(Folded) []byte
	out    func(data []byte, written func())
	held   atomic.Int64 // bytes of lines that wait here or are on their way out

	mu      sync.Mutex
	fold    *Fold
	waiters []func()    // to be called when less is held
	timer   *time.Timer // for the next Tick; nil: none is set
	ended   bool
	ticks   sync.WaitGroup
}

// FoldWindow is how long a line waits for the same of other processes.
const FoldWindow = 500 * time.Millisecond

// maxHeld is how many bytes are taken in before those who print must wait for
// the output: what can wait here, and a little on its way out.
const maxHeld = 2 * maxWaiting

// NewFolder folds the output of procs; what is ready goes to out, as text that
// format makes.
func NewFolder(procs []int, format func(Folded) []byte, out func(data []byte, written func())) *Folder {
	return &Folder{format: format, out: out, fold: NewFold(procs, FoldWindow)}
}

// Put takes whole lines of proc; written is called when more may come.
func (f *Folder) Put(proc int, data []byte, written func()) {
	if len(data) == 0 {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	now := time.Now()
	for line := range bytes.Lines(data) {
		text := string(line)
		if text[len(text)-1] != '\n' {
			text += "\n"
		}
		ready, joined := f.fold.Add(proc, text, now)
		if !joined {
			f.held.Add(int64(len(text)))
		}
		f.pass(ready)
	}
	f.arm()
	if f.held.Load() <= maxHeld {
		written()
	} else {
		f.waiters = append(f.waiters, written)
	}
}

// released notes that a line of n bytes is out.
func (f *Folder) released(n int) {
	if f.held.Add(int64(-n)) > maxHeld/2 {
		return
	}
	f.mu.Lock()
	waiters := f.waiters
	f.waiters = nil
	f.mu.Unlock()
	for _, written := range waiters {
		written()
	}
}

// End says that proc prints no more.
func (f *Folder) End(proc int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pass(f.fold.End(proc, time.Now()))
	f.arm()
}

// Close passes on all that waits.
func (f *Folder) Close() {
	f.mu.Lock()
	f.pass(f.fold.Flush())
	f.ended = true
	if f.timer != nil && f.timer.Stop() {
		f.ticks.Done()
	}
	f.mu.Unlock()
	f.ticks.Wait()
}

func (f *Folder) pass(ready []Folded) {
	for _, r := range ready {
		f.out(f.format(r), func() { f.released(len(r.Text)) })
	}
}

// arm sets the timer for the first waiting line.
func (f *Folder) arm() {
	due, any := f.fold.Due()
	if !any || f.timer != nil || f.ended {
		return
	}
	f.ticks.Add(1)
	f.timer = time.AfterFunc(time.Until(due), f.tick)
}

func (f *Folder) tick() {
	defer f.ticks.Done()
	f.mu.Lock()
	defer f.mu.Unlock()
	f.timer = nil
	if !f.ended {
		f.pass(f.fold.Tick(time.Now()))
		f.arm()
	}
}
