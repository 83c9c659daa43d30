package agent

import (
	"sync"
	"time"

	"gridrun/internal/wire"
)

const (
	// maxQueuedProgress is how long the queue may be before progress is dropped:
	// the next one is worth more than an old one.
	maxQueuedProgress = 256
	// maxQueuedOutput is how long it may be before output waits. Credit bounds
	// the bytes of output; this bounds what single bytes cost.
	maxQueuedOutput = 1024
	// soon is how long a message waits for others that nobody waits for either:
	// that processes have started, or ended well.
	soon = 5 * time.Millisecond
)

// A link is the way to the launcher: a queue that never blocks who sends, and
// one goroutine that writes. The queue is bounded by credit and maxQueuedOutput for output and
// by the number of processes for everything else.
type link struct {
	stream *wire.Stream
	wake   chan struct{} // holds a token when the queue or closed has changed
	done   chan struct{} // closed when the writer has ended

	mu      sync.Mutex
	late    bool      // a timer will have what is queued written
	room    sync.Cond // the queue is shorter, or hurried set
	queue   []wire.Message
	closed  bool
	hurried bool
}

func newLink(s *wire.Stream) *link {
	l := &link{stream: s, wake: make(chan struct{}, 1), done: make(chan struct{})}
	l.room.L = &l.mu
	go l.write()
	return l
}

// send queues m; after close it does nothing.
func (l *link) send(m wire.Message) {
	l.mu.Lock()
	_, progress := m.(*wire.Progress)
	if !l.closed && !(progress && len(l.queue) >= maxQueuedProgress) {
		l.queue = append(l.queue, m)
	}
	l.mu.Unlock()
	l.kick()
}

// sendSoon queues m, which is sent with what follows: in a moment at the latest.
// Each write on its own would wake four processes between here and the launcher
// of another machine.
func (l *link) sendSoon(m wire.Message) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed {
		return
	}
	l.queue = append(l.queue, m)
	if !l.late {
		l.late = true
		time.AfterFunc(soon, l.kick)
	}
}

// sendOutput queues output once the queue is short. Only pumps may wait here.
func (l *link) sendOutput(m *wire.Output) {
	l.mu.Lock()
	for len(l.queue) >= maxQueuedOutput && !l.closed && !l.hurried {
		l.room.Wait()
	}
	l.mu.Unlock()
	l.send(m)
}

// hurry makes output wait no longer: the agent is leaving.
func (l *link) hurry() {
	l.mu.Lock()
	l.hurried = true
	l.mu.Unlock()
	l.room.Broadcast()
}

func (l *link) kick() {
	select {
	case l.wake <- struct{}{}:
	default:
	}
}

// write sends what is queued until the link is closed and empty, or broken. The
// launcher's death shows at the reading side, so errors end only the writing.
func (l *link) write() {
	defer close(l.done)
	for range l.wake {
		l.mu.Lock()
		batch, closed := l.queue, l.closed
		l.queue, l.late = nil, false
		l.mu.Unlock()
		l.room.Broadcast()
		if err := l.stream.Send(batch...); err != nil {
			l.mu.Lock()
			l.queue, l.closed = nil, true
			l.mu.Unlock()
			l.room.Broadcast()
			return
		}
		if closed {
			return
		}
	}
}

// close sends what is queued and ends the writer; a launcher that does not read
// gets patience.
func (l *link) close(patience time.Duration) {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.room.Broadcast()
	l.kick()
	select {
	case <-l.done:
	case <-time.After(patience):
	}
}
