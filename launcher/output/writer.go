package output

import (
	"io"
	"sync"
)

// A Writer writes queued pieces in order. What is queued is bounded by the
// credit of those who queue it.
type Writer struct {
	screen *Screen
	w      io.Writer
	failed func(error)
	done   chan struct{}

	mu     sync.Mutex
	more   sync.Cond
	queue  []piece
	closed bool
}

type piece struct {
	data    []byte
	written func()
}

// NewWriter starts a writer to w. Before it writes it lets screen wipe what is
// drawn there; failed is called once, with the first error, after which pieces
// are dropped.
func NewWriter(w io.Writer, screen *Screen, failed func(error)) *Writer {
	o := &Writer{screen: screen, w: w, failed: failed, done: make(chan struct{})}
	o.more.L = &o.mu
	go o.run()
	return o
}

// Put queues data; written, when not nil, is called when it is out or dropped.
// Empty data draws the progress bar again.
func (o *Writer) Put(data []byte, written func()) {
	o.mu.Lock()
	o.queue = append(o.queue, piece{data, written})
	o.mu.Unlock()
	o.more.Signal()
}

// Close ends the writer once everything queued is out. Done is closed then.
func (o *Writer) Close() {
	o.mu.Lock()
	o.closed = true
	o.mu.Unlock()
	o.more.Signal()
}

// Done is closed when the writer has ended.
func (o *Writer) Done() <-chan struct{} { return o.done }

// maxBatch is how many bytes are gathered for one write.
const maxBatch = 256 << 10

func (o *Writer) run() {
	defer close(o.done)
	broken := false
	for {
		o.mu.Lock()
		for len(o.queue) == 0 && !o.closed {
			o.more.Wait()
		}
		batch := o.queue
		o.queue = nil
		o.mu.Unlock()
		if len(batch) == 0 {
			return
		}
		for len(batch) > 0 {
			n, data := gather(batch)
			if !broken {
				if err := o.screen.write(o.w, data); err != nil {
					broken = true
					o.failed(err)
				}
			}
			for _, p := range batch[:n] {
				if p.written != nil {
					p.written()
				}
			}
			batch = batch[n:]
		}
	}
}

// gather joins pieces for one write: n of them, at least one.
func gather(batch []piece) (n int, data []byte) {
	size := len(batch[0].data)
	for n = 1; n < len(batch) && size+len(batch[n].data) <= maxBatch; n++ {
		size += len(batch[n].data)
	}
	if n == 1 {
		return n, batch[0].data
	}
	data = make([]byte, 0, size)
	for _, p := range batch[:n] {
		data = append(data, p.data...)
	}
	return n, data
}
