package engine

import (
	"sync/atomic"
	"time"

	"gridrun/internal/spin"
)

// Who waits for another goroutine of its process goes to sleep at once, and most such
// sleeps are shorter than the time that their entry in the wait table would take, or a
// look at the clock. So a process without a network to poll has a lookout: while
// sleeps come and go it looks at the ranks every tick. It
//
//   - enters in the wait table the sleeps that it has seen before,
//   - and calls a rank brisk that waits all the time, for a microsecond or two.
//
// A brisk rank that is to wait lets the other goroutines of its processor run once
// before it sleeps: whoever it waits for is mostly there, and to pass takes a third of
// the time of sleeping and waking. It is not for others, because no idle processor
// learns of a goroutine that has passed: should the sender of its message go on
// computing, it would wait there, and the two would take turns.
//
// When there are no new sleeps the lookout sleeps, too, until the next.
type lookout struct {
	watching atomic.Bool
	called   chan struct{}
	over     uint32
}

const (
	// lookoutTick is the time between two looks, and lookoutTickEach what is
	// added for each rank.
	lookoutTick     = 10 * time.Millisecond
	lookoutTickEach = 10 * time.Microsecond
	// briskWait: a rank that waits more often than this is brisk.
	briskWait = 2 * time.Microsecond
)

// begin says that somebody has listed a sleep.
func (l *lookout) begin() {
	if !l.watching.Load() && l.watching.CompareAndSwap(false, true) {
		select {
		case l.called <- struct{}{}:
		default:
		}
	}
}

// watch is the lookout's goroutine.
func (p *Proc) watch() {
	defer p.joined.Done()
	l := &p.lookout
	tick := lookoutTick + time.Duration(len(p.Ranks))*lookoutTickEach
	for {
		select {
		case <-l.called:
		case <-p.quit:
			return
		}
		for last := time.Now(); l.watching.Load(); {
			spin.Nap(&l.over, tick)
			if p.closing.Load() {
				return
			}
			// Who begins to sleep from here on and is not seen calls again.
			l.watching.Store(false)
			now, fresh := time.Now(), false
			often := uint64(now.Sub(last) / briskWait)
			for _, rk := range p.ranks {
				if rk != nil && rk.publish(now, often) {
					fresh = true
				}
			}
			if last = now; fresh {
				l.watching.Store(true)
			}
		}
	}
}

// publish enters in the wait table who has slept since the last look; true if others
// sleep. A rank is brisk that has slept more often than that.
func (rk *Rank) publish(now time.Time, often uint64) (fresh bool) {
	rk.mu.Lock()
	defer rk.mu.Unlock()
	rk.brisk = rk.sleeps-rk.slept > often
	rk.slept = rk.sleeps
	for w := rk.asleep; w != nil; w = w.next {
		fresh = w.publish(rk, w.waits, now) || fresh
	}
	if s := &rk.standing; s.rests && s.recv.Posted() {
		fresh = s.w.publish(rk, &s.Request, now) || fresh
	}
	fresh = rk.awaited.publish(rk) || fresh
	return rk.lent.publish(now, often) || fresh || rk.brisk
}

// publish enters the waiter's sleep if it has been seen before; true: it has not.
func (w *waiter) publish(rk *Rank, c condition, now time.Time) bool {
	switch {
	case w.seen != w.sleep:
		w.seen, w.since = w.sleep, now
		return true
	case w.slot < 0:
		entry := c.wait()
		entry.Since = w.since
		w.slot = rk.table.Enter(entry)
	}
	return false
}

// withdraw takes back what publish has entered. The sleep cannot be seen any more.
func (rk *Rank) withdraw(w *waiter) {
	if w.slot >= 0 {
		rk.table.Leave(w.slot)
		w.slot = -1
	}
}
