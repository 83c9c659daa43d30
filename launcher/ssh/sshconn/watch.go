package sshconn

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

// WithDefaults fills in what is zero.
func (d Deadlines) WithDefaults() Deadlines {
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

// A Watch ends its context when a stage takes too long. What blocks is woken by
// closing its connection: x/crypto/ssh knows no contexts.
type Watch struct {
	Ctx    context.Context
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	stage Stage
	limit time.Duration
	timer *time.Timer
	round int // of the timer that counts
	// Told hears of every stage; nil: nobody does.
	Told func(stage Stage, limit time.Duration)
}

// NewWatch begins no stage yet.
func NewWatch(ctx context.Context) *Watch {
	w := &Watch{}
	w.Ctx, w.cancel = context.WithCancelCause(ctx)
	return w
}

// Enter begins a stage that may take limit; 0: as long as it likes.
func (w *Watch) Enter(stage Stage, limit time.Duration) {
	if w.Told != nil && stage != "" {
		w.Told(stage, limit)
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

// Alive restarts the current stage's clock.
func (w *Watch) Alive() {
	w.mu.Lock()
	stage, limit := w.stage, w.limit
	w.mu.Unlock()
	w.Enter(stage, limit)
}

func (w *Watch) Now() Stage {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.stage
}

// Stop ends the watch without waking anybody who has unregistered.
func (w *Watch) Stop() {
	w.Enter("", 0)
	w.cancel(context.Canceled)
}

// Why is the reason of the watch's end if it has ended, else err.
func (w *Watch) Why(err error) error {
	if w.Ctx.Err() != nil {
		return context.Cause(w.Ctx)
	}
	return err
}
