package launcher

import (
	"sync"
	"time"
)

// timerParts is in how many parts a timer waits; short ones wait in one.
const (
	timerParts = 8
	shortTimer = time.Second
)

// A timer rings after a time that this process has lived through. One that was
// stopped meanwhile (Ctrl-Z, a container that is paused) would otherwise find its
// deadlines passed when it goes on, before it has heard what was said to it: of
// such a time no more than one part counts.
type timer struct {
	mu   sync.Mutex
	t    *time.Timer // nil: stopped
	left int         // parts
}

// after calls ring in a goroutine of its own, unless stop comes before.
func after(d time.Duration, ring func()) *timer {
	t := &timer{left: timerParts}
	part := d / timerParts
	if d < shortTimer {
		t.left, part = 1, d
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.t = time.AfterFunc(part, func() {
		t.mu.Lock()
		over := false
		if t.t != nil {
			if t.left--; t.left > 0 {
				t.t.Reset(part)
			}
			over = t.left == 0
		}
		t.mu.Unlock()
		if over {
			ring()
		}
	})
	return t
}

func (t *timer) stop() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.t != nil {
		t.t.Stop()
		t.t = nil
	}
}
