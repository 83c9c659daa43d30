package transporttest

import (
	"bytes"
	"fmt"
	"runtime/pprof"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// deadline is how long a test waits for anything: it only ends tests that hang.
const deadline = 30 * time.Second

// An Event is a frame that has arrived: for Data, all that was posted as one
// frame, put together, Header being that of its last piece.
type Event struct {
	From int
	wire.Header
	Bytes []byte
}

// A Recorder is a Sink that keeps everything. Data frames are told apart by
// Header.Recv, which the poster chooses; Header.Len is their length in bytes.
type Recorder struct {
	// Hook, if set before the first frame, is called for each Event, from the
	// Sink method that completes it; it may Post.
	Hook func(e Event)
	// SentHook is called for each frame that comes back; it may Post.
	SentHook func(f *transport.Frame, err error)
	// Drop makes Place return nil: Placed must not follow.
	Drop bool

	t      testing.TB
	closed atomic.Bool

	mu     sync.Mutex
	change chan struct{} // closed and replaced at each change
	events []Event
	downs  map[int][]error
	sent   int // frames given back
	failed int // of those, with an error
	parts  map[part]*Event
	filled map[part]uint64
	busy   map[int]bool
	placed map[part]int // Place returned memory so often, so many Placed are due
}

type part struct {
	kind wire.Kind
	from int
	recv uint64
}

// NewRecorder returns a Recorder that reports to t.
func NewRecorder(t testing.TB) *Recorder {
	return &Recorder{t: t, change: make(chan struct{}), downs: map[int][]error{}, parts: map[part]*Event{},
		filled: map[part]uint64{}, busy: map[int]bool{}, placed: map[part]int{}}
}

// enter checks that calls for one peer come one at a time, and none after the end.
func (r *Recorder) enter(from int, what string) func() {
	if r.closed.Load() {
		r.t.Errorf("%s from %d after Close", what, from)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.busy[from] {
		r.t.Errorf("%s from %d during another call for the same peer", what, from)
	}
	if len(r.downs[from]) > 0 {
		r.t.Errorf("%s from %d after Down", what, from)
	}
	r.busy[from] = true
	return func() {
		r.mu.Lock()
		defer r.mu.Unlock()
		r.busy[from] = false
		r.changed()
	}
}

// changed wakes Until; called with mu held.
func (r *Recorder) changed() {
	close(r.change)
	r.change = make(chan struct{})
}

func (r *Recorder) keep(e Event) {
	r.mu.Lock()
	r.events = append(r.events, e)
	r.mu.Unlock()
	if r.Hook != nil {
		r.Hook(e)
	}
}

// Arrived implements transport.Sink.
func (r *Recorder) Arrived(from int, h *wire.Header, body []byte) {
	defer r.enter(from, "Arrived")()
	if h.Kind == wire.Data {
		r.t.Errorf("Data in Arrived: %+v", *h)
	}
	if int(h.Body) != len(body) {
		r.t.Errorf("%v from %d: Body says %d, there are %d bytes", h.Kind, from, h.Body, len(body))
	}
	r.keep(Event{from, *h, bytes.Clone(body)})
}

// Place implements transport.Sink.
func (r *Recorder) Place(from int, h *wire.Header) []byte {
	defer r.enter(from, "Place")()
	if h.Kind != wire.Data && h.Kind != wire.Eager {
		r.t.Errorf("%v in Place", h.Kind)
	}
	if h.Off+uint64(h.Body) > h.Len {
		r.t.Errorf("piece [%d, +%d) of a message of %d", h.Off, h.Body, h.Len)
		return nil
	}
	if r.Drop {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	key := part{h.Kind, from, h.Recv}
	e := r.parts[key]
	if e == nil {
		e = &Event{From: from, Bytes: make([]byte, h.Len)}
		r.parts[key] = e
	}
	r.placed[key]++
	return e.Bytes[h.Off : h.Off+uint64(h.Body)]
}

// Placed implements transport.Sink.
func (r *Recorder) Placed(from int, h *wire.Header) {
	defer r.enter(from, "Placed")()
	r.mu.Lock()
	key := part{h.Kind, from, h.Recv}
	if r.placed[key]--; r.placed[key] < 0 {
		r.t.Errorf("Placed from %d without a Place: %+v", from, *h)
	}
	e := r.parts[key]
	r.filled[key] += uint64(h.Body)
	// A frame may start behind the message's start: h.Tag says where.
	done := e != nil && (h.Kind == wire.Eager || r.filled[key]+uint64(uint32(h.Tag)) == h.Len)
	if done {
		delete(r.parts, key)
		delete(r.filled, key)
	}
	r.mu.Unlock()
	if done {
		e.Header = *h
		r.keep(*e)
	}
}

// Sent implements transport.Sink.
func (r *Recorder) Sent(f *transport.Frame, err error) {
	if r.closed.Load() {
		r.t.Errorf("Sent of %v after Close: %v", f.Kind, err)
	}
	r.mu.Lock()
	r.sent++
	if err != nil {
		r.failed++
	}
	r.changed()
	r.mu.Unlock()
	if r.SentHook != nil {
		r.SentHook(f, err)
	}
}

// Down implements transport.Sink.
func (r *Recorder) Down(p int, err error) {
	if r.closed.Load() {
		r.t.Errorf("Down of %d after Close: %v", p, err)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if err == nil || r.busy[p] || len(r.downs[p]) > 0 {
		r.t.Errorf("Down(%d, %v): during another call %t, already down %v", p, err, r.busy[p], r.downs[p])
	}
	r.downs[p] = append(r.downs[p], err)
	r.changed()
}

// Events returns what has arrived from a process, from any when it is -1.
func (r *Recorder) Events(from int) []Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	var out []Event
	for _, e := range r.events {
		if from < 0 || e.From == from {
			out = append(out, e)
		}
	}
	return out
}

// Downs returns the errors of Down(p).
func (r *Recorder) Downs(p int) []error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.downs[p]
}

// Counts returns how many frames have arrived, have been given back, and have
// been given back with an error.
func (r *Recorder) Counts() (arrived, sent, failed int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.events), r.sent, r.failed
}

// Until waits until cond holds; it is looked at after each change.
func (r *Recorder) Until(what string, cond func() bool) {
	r.t.Helper()
	timer := time.NewTimer(deadline)
	defer timer.Stop()
	for {
		r.mu.Lock()
		change := r.change
		r.mu.Unlock()
		if cond() {
			return
		}
		select {
		case <-change:
		case <-timer.C:
			arrived, sent, failed := r.Counts()
			r.t.Fatalf("still waiting for: %s (%d arrived, %d sent, %d of them failed)\n%s", what, arrived, sent, failed, stacks())
		}
	}
}

// UntilArrived waits for n frames.
func (r *Recorder) UntilArrived(n int) {
	r.t.Helper()
	r.Until(fmt.Sprintf("%d frames to arrive", n), func() bool { a, _, _ := r.Counts(); return a >= n })
}

// UntilSent waits until n frames are given back.
func (r *Recorder) UntilSent(n int) {
	r.t.Helper()
	r.Until(fmt.Sprintf("%d frames to be sent", n), func() bool { _, s, _ := r.Counts(); return s >= n })
}

func stacks() string {
	var b bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&b, 1) // a bytes.Buffer takes everything
	return b.String()
}
