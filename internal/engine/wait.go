package engine

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"gridrun/internal/waittable"
)

// The one wait primitive. Every blocking operation comes here and passes
// through three phases:
//
//  1. Poll: look whether the condition holds, fetching frames from polled
//     networks if this goroutine gets the poll token (one holds it at a time).
//  2. Yield: the same, giving way to sibling goroutines and other processes
//     between looks.
//  3. Sleep: publish the wait in the wait table; the token's holder sleeps in
//     the network's doorbell and goes on fetching for all, others on a channel.
//
// When the last waiter leaves, the background poller is armed, so that frames
// are fetched while the program computes.

// A condition is what a goroutine waits for.
type condition interface {
	ready() bool
	// arm has w woken once ready becomes true, if it was not before.
	arm(w *waiter)
	wait() waittable.Wait
}

type waiter struct {
	ch     chan struct{} // capacity 1
	proc   *Proc
	ringer atomic.Bool // asleep in the network's doorbell, not on ch
}

func (w *waiter) wake() {
	select {
	case w.ch <- struct{}{}:
	default:
	}
	if w.ringer.Load() {
		w.proc.poller.Wake()
	}
}

const (
	// pollLooks are the looks before a waiter begins to yield.
	pollLooks = 64
	// yieldFor is how long a waiter yields before it sleeps. Long enough for a
	// peer on the other core to answer; with more ranks than cores the yields
	// themselves let the peers run.
	yieldFor = 50 * time.Microsecond
	// siblingYields are the yields of a waiter that has nothing to poll: only
	// goroutines of this process, or a network's own, can make it ready.
	siblingYields = 8
)

// errEnded is what a wait returns when ctx ends: its cause, and still ctx.Err().
func errEnded(ctx context.Context) error {
	err, cause := ctx.Err(), context.Cause(ctx)
	if cause == nil || cause == err {
		return err
	}
	return &endedError{err, cause}
}

type endedError struct{ err, cause error }

func (e *endedError) Error() string   { return fmt.Sprintf("%v (%v)", e.cause, e.err) }
func (e *endedError) Unwrap() []error { return []error{e.cause, e.err} }

// await returns nil when c is ready, or why ctx ended before.
func (rk *Rank) await(ctx context.Context, c condition) error {
	if c.ready() {
		return nil
	}
	p := rk.proc
	holds := p.takeToken()
	if holds && p.look(c) {
		p.releaseToken(holds)
		return nil
	}
	if rk.rec == nil { // looking was too short to be worth two looks at the clock
		return rk.block(ctx, c, holds)
	}
	begin := rk.rec.Now()
	err := rk.block(ctx, c, holds)
	rk.waited(c, begin)
	return err
}

// block is what await does once polling has not helped; holds: with the poll token.
func (rk *Rank) block(ctx context.Context, c condition, holds bool) error {
	p := rk.proc
	if p.spin(ctx, c, holds) {
		p.releaseToken(holds)
		return nil
	}
	defer func() { p.releaseToken(holds) }()
	if ctx.Err() != nil {
		return errEnded(ctx)
	}

	w := &waiter{ch: make(chan struct{}, 1), proc: p}
	w.ringer.Store(holds)
	c.arm(w)
	if ctx.Done() != nil {
		woken := make(chan struct{})
		stop := context.AfterFunc(ctx, func() { w.wake(); close(woken) })
		// A wake-up under way must not outlive the wait: it touches the network.
		defer func() {
			if !stop() {
				<-woken
			}
		}()
	}
	entry := c.wait()
	entry.Since = time.Now()
	slot := rk.table.Enter(entry)
	defer rk.table.Leave(slot)
	for !c.ready() {
		if ctx.Err() != nil {
			return errEnded(ctx)
		}
		if holds {
			p.poller.Sleep(0, 0)
			p.poller.Poll()
			if p.closing.Load() { // Close waits for the token
				w.ringer.Store(false)
				p.releaseToken(true)
				holds = false
			}
			continue
		}
		<-w.ch
		if !c.ready() && ctx.Err() == nil && !holds {
			holds = p.takeToken()
			w.ringer.Store(holds)
		}
	}
	return nil
}

// look is the polling phase; true when c became ready.
func (p *Proc) look(c condition) bool {
	for range pollLooks {
		p.poller.Poll()
		if c.ready() {
			return true
		}
	}
	return false
}

// spin is the yielding phase; true when c became ready.
func (p *Proc) spin(ctx context.Context, c condition, holds bool) bool {
	if !holds {
		for range siblingYields {
			runtime.Gosched()
			if c.ready() {
				return true
			}
		}
		return false
	}
	begin := time.Now()
	for i := 0; ; i++ {
		if p.siblings {
			runtime.Gosched()
		}
		osYield()
		p.poller.Poll()
		if c.ready() {
			return true
		}
		if i%8 == 7 && (time.Since(begin) > yieldFor || ctx.Err() != nil) {
			return false
		}
	}
}

// takeToken makes the caller the one that polls, if there is something to poll
// and nobody else does.
func (p *Proc) takeToken() bool {
	if p.poller == nil || p.closing.Load() || !p.token.TryLock() {
		return false
	}
	p.poller.Watch(true)
	return true
}

// releaseToken arms the background poller. Frames that came between the last
// look and the arming are fetched here: no sender has rung for them.
func (p *Proc) releaseToken(held bool) {
	if !held {
		return
	}
	for p.poller.Watch(false) {
		p.poller.Watch(true)
		p.poller.Poll()
	}
	p.token.Unlock()
}

func (p *Proc) pollOnce() {
	if held := p.takeToken(); held {
		p.poller.Poll()
		p.releaseToken(held)
	} else {
		runtime.Gosched()
	}
}

// background fetches while no waiter does. It waits for the token instead of
// trying for it: it was rung because its holder had just stopped looking.
func (p *Proc) background() {
	defer p.joined.Done()
	for {
		p.poller.Sleep(1, 0)
		if p.closing.Load() {
			return
		}
		p.token.Lock()
		p.poller.Watch(true)
		for p.poller.Poll() > 0 {
		}
		p.releaseToken(true)
	}
}
