package engine

import (
	"runtime"
	"time"

	"gridrun/internal/bias"
	"gridrun/internal/spin"
)

// Who fetches frames from a polled network: the holder of the poll token. That
// is a goroutine that waits; while none does, the background poller sees to it
// that transfers go on under a computing program. It is
//
//   - asleep in the doorbell: senders ring it, once, and it becomes attentive;
//   - attentive: it sees every tick whether waiters poll, and looks after the network
//     where none does, so that they may come and go, as in a ping-pong, without
//     arming the doorbell and senders without ringing it. After two ticks in which
//     nobody has polled and nothing came, or when a waiter sleeps in the doorbell, it
//     goes back to sleep.
//
// Waiters without the token sleep on channels. Who gives the token up while
// such are there passes one of them the baton, and it takes the token.
const (
	// tick is how often an attentive background poller looks.
	tick = 800 * time.Microsecond
	// idleTime is how long nobody polls before the background poller begins.
	idleTime = 2 * time.Millisecond
	// lingerLooks are the background poller's looks after the last frame: the
	// next piece of a transfer finds it there.
	lingerLooks = 200
	// manyTurns are how often waiters have polled when it becomes worth some
	// milliseconds of another thread to make locks cheaper.
	manyTurns = 2000
)

// takeToken makes the caller the one that polls, if there is something to poll
// and nobody else does.
func (p *Proc) takeToken() bool {
	if p.poller == nil || p.closing.Load() || !p.token.TryLock() {
		return false
	}
	if p.turns++; p.turns == manyTurns {
		p.preparing.Go(bias.Prepare)
	}
	spin.Store(p.attention, 1)
	p.poller.Watch(true)
	return true
}

// releaseToken gives the token up. Unless the background poller is attentive
// it is armed. Frames that came between the last look and the arming are
// fetched here: no sender has rung for them.
func (p *Proc) releaseToken() {
	spin.Store(p.attention, 0)
	if !p.used.Load() && p.used.CompareAndSwap(false, true) {
		close(p.first)
	}
	for !p.attentive.Load() && p.poller.Watch(false) {
		p.poller.Watch(true)
		p.poller.Poll()
	}
	p.token.Unlock()
	p.passBaton()
}

// passBaton has one of those who sleep on channels try for the token. Who falls
// asleep counts itself first and then tries the token once more.
func (p *Proc) passBaton() {
	if p.sleepers.Load() > 0 {
		select {
		case p.baton <- struct{}{}:
		default:
		}
	}
}

func (p *Proc) pollOnce() {
	if p.takeToken() {
		p.poller.Poll()
		p.releaseToken()
	} else {
		runtime.Gosched()
	}
}

// needed returns when nobody has polled for a moment for the first time, or false
// at the end. A process that only ever waits, as one that says hello and ends
// does, is spared the thread that sleeps in the doorbell.
func (p *Proc) needed(timer *time.Timer) bool {
	for waits := timer.C; ; {
		select {
		case <-waits:
			if p.token.TryLock() {
				p.releaseToken()
				return true
			}
			waits = nil // until the holder gives it up
		case <-p.first:
			timer.Reset(idleTime)
			select {
			case <-timer.C:
				return true
			case <-p.quit:
				return false
			}
		case <-p.quit:
			return false
		}
	}
}

// background fetches while no waiter does.
func (p *Proc) background() {
	defer p.joined.Done()
	timer := time.NewTimer(idleTime)
	defer timer.Stop()
	if !p.needed(timer) {
		return
	}
	pulse := spin.NewPulse(&p.turns, p.attention, p.tick)
	for {
		p.poller.Sleep(1, 0)
		if p.closing.Load() {
			return
		}
		p.attentive.Store(true)
		for quiet, turns := 0, uint64(0); p.attentive.Load(); {
			if p.token.TryLock() {
				p.poller.Watch(true)
				now := p.turns
				if p.tend() || now != turns {
					quiet, turns = 0, now
				} else if quiet++; quiet == 2 {
					p.attentive.Store(false)
				}
				p.releaseToken()
			} else if p.dozing.Load() {
				// Rung while it slept, or it has slept since. If it still does,
				// it sees this when it gives the token up, and arms the doorbell.
				p.attentive.Store(false)
				if !p.dozing.Load() {
					p.attentive.Store(true)
				}
			}
			if !p.attentive.Load() {
				break
			}
			p.poller.Doze(pulse)
			if p.closing.Load() {
				return
			}
		}
	}
}

// tend fetches what has come, and what follows soon, until a waiter wants the
// token. True if there was anything.
func (p *Proc) tend() (some bool) {
	p.tending.Store(true)
	for idle := 0; idle < lingerLooks && p.wanted.Load() == 0; idle++ {
		if p.poller.Poll() > 0 {
			some, idle = true, 0
		} else if !some {
			break
		}
		if p.crowded {
			spin.Yield()
		}
		spin.Pause()
	}
	p.tending.Store(false)
	return some
}
