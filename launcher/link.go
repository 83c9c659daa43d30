package launcher

import (
	"sync"
	"sync/atomic"
	"time"

	"gridrun/internal/wire"
)

// A link is the way to one agent: a queue that never blocks who sends, emptied
// by one goroutine once the connection stands.
type link struct {
	mu     sync.Mutex
	more   sync.Cond
	queue  []wire.Message
	busy   bool
	closed bool

	owed atomic.Int64 // output written whose credit has not gone back yet

	began time.Time
	heard atomic.Int64 // when the agent last said something: nanoseconds since began
	quiet atomic.Int32 // looks since then
}

func newLink() *link {
	l := &link{began: time.Now()}
	l.more.L = &l.mu
	return l
}

// hears notes that the agent has said something.
func (l *link) hears() {
	l.heard.Store(int64(time.Since(l.began)))
	l.quiet.Store(0)
}

// silence is how long the agent has said nothing, whatever becomes of the time of day.
func (l *link) silence() time.Duration { return time.Since(l.began) - time.Duration(l.heard.Load()) }

func (l *link) send(m wire.Message) {
	l.mu.Lock()
	if !l.closed {
		l.queue = append(l.queue, m)
	}
	l.mu.Unlock()
	l.more.Broadcast()
}

// run writes what is queued until close, or until the agent takes no more:
// that it is gone shows at the reading side.
func (l *link) run(s *wire.Stream) {
	for {
		l.mu.Lock()
		l.busy = false
		l.more.Broadcast()
		for len(l.queue) == 0 && !l.closed {
			l.more.Wait()
		}
		batch := l.queue
		l.queue, l.busy = nil, true
		closed := l.closed
		l.mu.Unlock()
		if closed {
			return
		}
		if s.Send(batch...) != nil {
			l.close()
		}
	}
}

func (l *link) close() {
	l.mu.Lock()
	l.queue, l.closed = nil, true
	l.mu.Unlock()
	l.more.Broadcast()
}

// flush waits until everything queued is on its way, or for the limit.
func (l *link) flush(limit time.Duration) {
	timer := time.AfterFunc(limit, l.more.Broadcast)
	defer timer.Stop()
	deadline := time.Now().Add(limit)
	l.mu.Lock()
	defer l.mu.Unlock()
	for !l.closed && (len(l.queue) > 0 || l.busy) && time.Now().Before(deadline) {
		l.more.Wait()
	}
}

// creditBatch is how many written bytes are gathered before their credit goes
// back: well below an agent's initial credit, or both sides would wait.
const creditBatch = 128 << 10

// written returns n bytes of output credit to the agent, now or with later ones.
func (l *link) written(n int) {
	if l.owed.Add(int64(n)) >= creditBatch {
		if n := l.owed.Swap(0); n > 0 {
			l.send(&wire.Grant{N: int(n)})
		}
	}
}
