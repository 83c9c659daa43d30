package keeper

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"
)

// Times of a kept host.
const (
	helloLimit   = 20 * time.Second // for the first word of an agent
	discardLimit = 3 * time.Second  // for the end of a killed agent
	upLimit      = 2 * time.Minute  // for a host that is being connected
)

// A kept host has one connection and one spare while it is up.
type kept struct {
	at     Host
	way    Way
	times  Times
	dialer Dialer

	retry chan struct{} // holds a token: connect anew
	hurry chan struct{} // holds a token: somebody waits for a spare
	gone  chan struct{} // closed when it is kept no longer

	mu       sync.Mutex
	changed  chan struct{} // closed at every change of what follows, and replaced
	trying   bool          // it is being connected
	why      string        // why it is not up; "" while it is
	link     *link
	spare    *spare
	cpus     int
	platform string
	dir      string
	jobs     int
}

// A link is a connection with those that use it. The last one closes it.
type link struct {
	Connection
	mu   sync.Mutex
	uses int
}

func (l *link) use() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.uses == 0 {
		return false
	}
	l.uses++
	return true
}

func (l *link) leave() {
	l.mu.Lock()
	l.uses--
	last := l.uses == 0
	l.mu.Unlock()
	if last {
		l.Close()
	}
}

func newKept(at Host, way Way, d Dialer, times Times) *kept {
	return &kept{
		at: at, way: way, dialer: d, times: times, trying: true,
		retry: make(chan struct{}, 1), hurry: make(chan struct{}, 1), changed: make(chan struct{}), gone: make(chan struct{}),
	}
}

// change does what do does and tells who waits.
func (h *kept) change(do func()) {
	h.mu.Lock()
	do()
	close(h.changed)
	h.changed = make(chan struct{})
	h.mu.Unlock()
}

func poke(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}

// run keeps the host until ctx ends.
func (h *kept) run(ctx context.Context) {
	defer close(h.gone)
	for {
		err := h.hold(ctx)
		h.change(func() { h.trying, h.link, h.why = false, nil, err.Error() })
		select {
		case <-h.retry:
			h.change(func() { h.trying = true })
		case <-ctx.Done():
			return
		}
	}
}

// hold connects and keeps a spare there until that is no longer possible.
func (h *kept) hold(ctx context.Context) error {
	conn, err := h.dialer.Hold(ctx, h.at.Place())
	if err != nil {
		return err
	}
	l := &link{Connection: conn, uses: 1}
	defer l.leave()
	for {
		p, err := conn.Agent(ctx)
		if err != nil {
			return err
		}
		s, err := newSpare(p)
		if err != nil {
			return err
		}
		h.change(func() {
			h.trying, h.why, h.link, h.spare = false, "", l, s
			h.platform, h.dir = p.Where()
			h.cpus = s.hello.CPUs
			select {
			case <-h.hurry: // who still waits asks again
			default:
			}
		})
		if err := h.watch(ctx, s); err != nil {
			return err
		}
	}
}

// watch returns nil when it is time for another spare.
func (h *kept) watch(ctx context.Context, s *spare) error {
	defer h.withdraw(s)
	beats := time.NewTicker(h.times.Beat)
	defer beats.Stop()
	for {
		select {
		case <-beats.C:
			if !h.mine(s) || s.beat() {
				continue
			}
			h.withdraw(s)
			s.process.Kill()
			return fmt.Errorf("no sign of life for %v", h.times.Beat)
		case <-s.handed:
			select {
			case <-h.hurry:
			case <-time.After(h.times.Refill):
			case <-ctx.Done():
				return context.Cause(ctx)
			}
			return nil
		case <-s.silent:
			return errors.New("its agent gives no sign of life")
		case <-s.ended:
			if time.Since(s.born) < h.times.Refill {
				return errors.New("its agent ends as soon as it has started, or the connection was lost")
			}
			return nil
		case <-ctx.Done():
			h.withdraw(s)
			s.discard()
			return context.Cause(ctx)
		}
	}
}

// mine says whether s still waits to be taken.
func (h *kept) mine(s *spare) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.spare == s
}

// refill has a spare started if there is none.
func (h *kept) refill() {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.spare == nil && h.link != nil {
		poke(h.hurry)
	}
}

func (h *kept) withdraw(s *spare) {
	h.change(func() {
		if h.spare == s {
			h.spare = nil
		}
	})
}

// take gives the host's spare to a job, with the connection it stands on, which
// the taker leaves. A host that is not up is tried anew, for the next one.
func (h *kept) take(ctx context.Context) (*spare, *link, error) {
	ctx, cancel := context.WithTimeout(ctx, h.times.Start)
	defer cancel()
	for {
		h.mu.Lock()
		s, l, changed := h.spare, h.link, h.changed
		down := l == nil
		why := h.why
		if h.trying {
			why = "it is being connected"
		}
		if s != nil {
			h.spare = nil
		}
		h.mu.Unlock()
		switch {
		case down:
			poke(h.retry)
			return nil, nil, errors.New(why)
		case s == nil:
			poke(h.hurry)
			select {
			case <-changed:
				continue
			case <-ctx.Done():
				return nil, nil, errors.New("no agent could be started there in time")
			}
		}
		if !l.use() {
			return nil, nil, errors.New("its connection was lost")
		}
		if err := s.take(h.times.Answer); err != nil {
			l.leave()
			h.lose(l, err)
			return nil, nil, err
		}
		return s, l, nil
	}
}

// lose gives a connection up and has a new one made. Jobs that run through the
// old one go on as long as it carries them.
func (h *kept) lose(l *link, err error) {
	h.change(func() {
		if h.link == l {
			h.link, h.why = nil, err.Error()
		}
	})
	poke(h.hurry)
	poke(h.retry)
}

// await waits until the host is up or has failed.
func (h *kept) await(ctx context.Context) HostStatus {
	ctx, cancel := context.WithTimeout(ctx, upLimit)
	defer cancel()
	for {
		h.mu.Lock()
		trying, changed := h.trying, h.changed
		h.mu.Unlock()
		if !trying {
			return h.status()
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return h.status()
		}
	}
}

func (h *kept) status() HostStatus {
	h.mu.Lock()
	defer h.mu.Unlock()
	s := HostStatus{Host: h.at, Way: h.way, Up: h.link != nil, Ready: h.spare != nil, Why: h.why, CPUs: h.cpus, Jobs: h.jobs}
	if h.trying {
		s.Why = "it is being connected"
	}
	return s
}
