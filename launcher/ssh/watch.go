package ssh

import (
	"context"
	"fmt"
	"sync"
	"time"
)

// Deadlines of the stages of a start; zero means the default.
type Deadlines struct {
	Resolve   time.Duration // 5 s
	Connect   time.Duration // 10 s, or ConnectTimeout
	Handshake time.Duration // 10 s, to the host's key
	Auth      time.Duration // 15 s
	Exec      time.Duration // 20 s, login shells may be slow to start
	Stall     time.Duration // 60 s without a byte sent while shipping
}

func (d Deadlines) withDefaults() Deadlines {
	for _, f := range []struct {
		at    *time.Duration
		value time.Duration
	}{
		{&d.Resolve, 5 * time.Second}, {&d.Connect, 10 * time.Second}, {&d.Handshake, 10 * time.Second},
		{&d.Auth, 15 * time.Second}, {&d.Exec, 20 * time.Second}, {&d.Stall, 60 * time.Second},
	} {
		if *f.at == 0 {
			*f.at = f.value
		}
	}
	return d
}

// A watch ends its context when a stage takes too long. What blocks is woken by
// closing its connection: x/crypto/ssh knows no contexts.
type watch struct {
	ctx    context.Context
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	stage Stage
	limit time.Duration
	timer *time.Timer
	round int // of the timer that counts
	// told hears of every stage; nil: nobody does.
	told func(stage Stage, limit time.Duration)
}

func newWatch(ctx context.Context) *watch {
	w := &watch{}
	w.ctx, w.cancel = context.WithCancelCause(ctx)
	return w
}

// enter begins a stage that may take limit; 0: as long as it likes.
func (w *watch) enter(stage Stage, limit time.Duration) {
	if w.told != nil && stage != "" {
		w.told(stage, limit)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.timer != nil {
		w.timer.Stop()
	}
	w.stage, w.limit = stage, limit
	w.round++
	if limit <= 0 {
		return
	}
	round := w.round
	w.timer = time.AfterFunc(limit, func() {
		w.mu.Lock()
		late := w.round == round
		w.mu.Unlock()
		if late {
			w.cancel(fmt.Errorf("%w (%v)", errSlow, limit))
		}
	})
}

// alive restarts the current stage's clock.
func (w *watch) alive() {
	w.mu.Lock()
	stage, limit := w.stage, w.limit
	w.mu.Unlock()
	w.enter(stage, limit)
}

func (w *watch) now() Stage {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stage
}

// stop ends the watch without waking anybody who has unregistered.
func (w *watch) stop() {
	w.enter("", 0)
	w.cancel(context.Canceled)
}

// why is the reason of the watch's end if it has ended, else err.
func (w *watch) why(err error) error {
	if w.ctx.Err() != nil {
		return context.Cause(w.ctx)
	}
	return err
}
