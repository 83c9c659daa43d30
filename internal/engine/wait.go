package engine

import (
	"context"
	"fmt"
	"runtime"
	"sync/atomic"
	"time"

	"gridrun/internal/cpuset"
	"gridrun/internal/spin"
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
// Where no network must be polled a waiter sleeps at once (doze; standing.go).
// ctx is looked at when a phase ends, not in between.

// A condition is what a goroutine waits for.
type condition interface {
	ready() bool
	// arm has w woken once ready becomes true, if it was not before.
	arm(w *waiter)
	wait() waittable.Wait
}

const (
	// pollLooks are the looks of the first phase, about 50 us, and yieldFor the
	// time of the second, where every process of the host has a processor of its
	// own: who yields or sleeps there may find itself on the other's processor.
	pollLooks = 1000
	yieldFor  = 500 * time.Microsecond
	// The same where processes share processors: then whoever is waited for may
	// need this one, and the yields themselves let it run.
	crowdedLooks    = 16
	farBrief        = 2 // over TCP, where a look takes 0.4 us
	crowdedYieldFor = 50 * time.Microsecond
	// Where a control group's CPU quota does not let all processes run all the time,
	// waiting is not free even beside an idle processor: what is used up here makes
	// everybody stand still for the rest of a period, tens of ms. A wait that has taken
	// what a sleep costs becomes one.
	frugalYieldFor = 0
	// sharedFor is how many waits look that briefly after one of full length that
	// a yield has ended at once: its peer seems to be on the same processor, and
	// there is no other, or they came together again in fewer waits than partFor.
	sharedFor = 64
	partFor   = 256
	// eagerLooks are the first looks, one right after the other: a pause takes as
	// long as an answer that is on its way.
	eagerLooks = 100
	// siblingYields are the yields of a waiter that has nothing to poll: only
	// goroutines of this process, or a network's own, can make it ready.
	siblingYields = 8
	// claimYields are the yields for the background poller to give way.
	claimYields = 200
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
	if p.poller == nil {
		return rk.doze(ctx, c)
	}
	holds := p.takeToken()
	if holds && p.look(c) {
		p.releaseToken()
		return nil
	}
	if !holds {
		var done bool
		if holds, done = p.standBy(c); done || holds && p.look(c) {
			if holds {
				p.releaseToken()
			}
			return nil
		}
	}
	// What was ready until here was waited for too shortly to be worth recording.
	begin := time.Now()
	done, long := false, true
	if holds {
		done, long = p.yield(ctx, c, begin)
	}
	var err error
	if !done {
		holds, err = rk.sleep(ctx, c, holds)
	}
	if holds {
		p.releaseToken()
	}
	if rk.rec != nil && long {
		rk.waited(c, rk.rec.At(begin))
	}
	return err
}

// look is the polling phase of who holds the token; true when c became ready.
func (p *Proc) look(c interface{ ready() bool }) bool {
	looks := p.looks
	n := p.shared.Load()
	if p.hasty = n > 0; p.hasty {
		p.shared.Store(n - 1)
		looks = p.brief
	}
	for i := range looks {
		p.poller.Poll()
		if c.ready() {
			return true
		}
		if p.siblings && i%16 == 15 {
			runtime.Gosched()
		}
		if i >= eagerLooks {
			spin.Pause()
		}
	}
	return false
}

// yield is the yielding phase, which began now; long says whether it was more
// than a few yields.
func (p *Proc) yield(ctx context.Context, c condition, begin time.Time) (done, long bool) {
	p.hurry(c)
	p.spread()
	for i := 0; ; i++ {
		if p.siblings {
			runtime.Gosched()
		}
		spin.Yield()
		p.poller.Poll()
		if c.ready() {
			if i < 2 && !p.hasty {
				p.together()
			}
			return true, i >= 8
		}
		if i%8 == 7 && (time.Since(begin) > p.yieldFor || ctx.Err() != nil) {
			return false, true
		}
	}
}

// spread keeps the host's waiting ranks evenly spread over its processors.
func (p *Proc) spread() {
	if p.spreader != nil {
		p.spreader.Spread()
	}
}

// together is for a wait that suggests that whom it waits for runs on the same
// processor, by turns. Kernels put two there that wake each other, and leave them there
// for 20 ms and more while another processor is idle; so this one goes elsewhere.
// Called with the token held.
func (p *Proc) together() {
	if !p.crowded && (p.parted == 0 || p.turns-p.parted >= partFor) && cpuset.Part() {
		p.parted = p.turns
		return
	}
	p.shared.Store(sharedFor)
}

// hurry has the process that is waited for look at what has come, if nobody does
// there: its background poller would at its next tick. Where processes share
// processors that costs others more than it helps.
func (p *Proc) hurry(c condition) {
	if peer := c.wait().Peer; peer >= 0 && !p.crowded {
		if q := p.pulls[p.Topology.RankProc[peer]]; q != nil && !q.Attended() {
			q.Rouse()
		}
	}
}

// standBy is both for a waiter without the token: it yields to who may make
// c ready, and takes the token if it becomes free.
func (p *Proc) standBy(c condition) (holds, done bool) {
	yields := siblingYields
	if p.tending.Load() {
		yields = claimYields
		p.wanted.Add(1)
		defer p.wanted.Add(-1)
	}
	for range yields {
		if p.crowded && !p.siblings {
			spin.Yield() // the token's holder may need this processor
		} else {
			runtime.Gosched()
		}
		if c.ready() {
			return false, true
		}
		if p.takeToken() {
			return true, false
		}
	}
	return false, false
}

// sleep is the third phase. It tells whether the goroutine holds the token in
// the end.
func (rk *Rank) sleep(ctx context.Context, c condition, holds bool) (bool, error) {
	p := rk.proc
	if ctx.Err() != nil {
		return holds, errEnded(ctx)
	}
	w := rk.waiter(ctx, nil)
	defer rk.rest(w)
	c.arm(w)
	entry := c.wait()
	entry.Since = time.Now()
	slot := rk.table.Enter(entry)
	defer rk.table.Leave(slot)
	for !c.ready() {
		if ctx.Err() != nil {
			return holds, errEnded(ctx)
		}
		if !holds {
			p.sleepers.Add(1)
			p.wanted.Add(1)
			if holds = p.takeToken(); !holds {
				select {
				case <-w.ch:
				case <-p.baton:
					holds = p.takeToken()
				}
			}
			p.wanted.Add(-1)
			p.sleepers.Add(-1)
			if !holds && c.ready() {
				p.passBaton() // it may have been meant for another
			}
			continue
		}
		w.ringer.Store(true)
		if !c.ready() && ctx.Err() == nil {
			p.dozing.Store(true)
			p.poller.Sleep(0, 0)
			p.dozing.Store(false)
			// What has come is seldom alone: pieces follow, and answers.
			if p.poller.Poll() > 0 {
				if p.look(c) {
					break
				}
				if done, _ := p.yield(ctx, c, time.Now()); done {
					break
				}
			}
		}
		if p.closing.Load() { // Close waits for the token
			w.ringer.Store(false)
			p.releaseToken()
			holds = false
		}
	}
	return holds, nil
}

// doze is await where no network must be polled: it sleeps at once. Its entry in the
// wait table is the lookout's to make.
func (rk *Rank) doze(ctx context.Context, c condition) error {
	if ctx.Err() != nil {
		return errEnded(ctx)
	}
	var begin int64
	if rk.rec != nil {
		begin = rk.rec.Now()
	}
	w := rk.waiter(ctx, c)
	rk.proc.lookout.begin()
	c.arm(w)
	var err error
	for err == nil && !c.ready() {
		w.bell.Wait()
		if ctx.Err() != nil && !c.ready() {
			err = errEnded(ctx)
		}
	}
	rk.rest(w)
	if rk.rec != nil {
		rk.waited(c, begin)
	}
	return err
}

// A waiter is what is woken: a goroutine asleep on a channel, in the doorbell, or,
// where no network must be polled, on a bell.
// A rank keeps those that rest, with their hold on the ctx they last served, so
// that a sleep allocates nothing. A wake-up may come late and find it waiting
// for something else: sleepers look again.
type waiter struct {
	ch     chan struct{} // capacity 1
	proc   *Proc
	ringer atomic.Bool // asleep in the network's doorbell, not on ch

	// Where no network must be polled:
	bell spin.Bell // it sleeps on
	// What the lookout knows of it, under the rank's lock.
	waits       condition
	prev        *waiter
	sleep, seen uint64 // numbers of this sleep, and of the one seen last
	since       time.Time
	slot        int // in the wait table, -1: none

	rouse func()          // wakes it to look at its ctx
	done  <-chan struct{} // of the ctx that does so when it ends
	stop  func() bool     // ends that
	woken chan struct{}   // closed when the ctx has woken it
	next  *waiter         // in the rank's list
}

func (w *waiter) wake() {
	if w.proc.poller == nil {
		w.bell.Ring()
		return
	}
	select {
	case w.ch <- struct{}{}:
	default:
	}
	if w.ringer.Load() {
		w.proc.poller.Wake()
	}
}

// waiter returns one that the end of ctx wakes. c is nil or what it will sleep for,
// which the lookout may show.
func (rk *Rank) waiter(ctx context.Context, c condition) *waiter {
	rk.mu.Lock()
	w := rk.waiters
	if w != nil {
		rk.waiters = w.next
	} else {
		w = &waiter{ch: make(chan struct{}, 1), proc: rk.proc, slot: -1}
		w.rouse = w.wake
	}
	if w.waits = c; c != nil {
		rk.sleeps++
		w.sleep = rk.sleeps
		w.prev, w.next = nil, rk.asleep
		if w.next != nil {
			w.next.prev = w
		}
		rk.asleep = w
	}
	rk.mu.Unlock()
	select {
	case <-w.ch:
	default:
	}
	w.serve(ctx)
	return w
}

// serve has the end of ctx wake w.
func (w *waiter) serve(ctx context.Context) {
	if done := ctx.Done(); w.done != done {
		w.leave()
		if w.done = done; done != nil {
			woken := make(chan struct{})
			w.woken = woken
			w.stop = context.AfterFunc(ctx, func() { w.rouse(); close(woken) })
		}
	}
}

// rest puts w back.
func (rk *Rank) rest(w *waiter) {
	w.ringer.Store(false)
	rk.mu.Lock()
	if w.waits != nil {
		w.waits = nil
		if w.prev != nil {
			w.prev.next = w.next
		} else {
			rk.asleep = w.next
		}
		if w.next != nil {
			w.next.prev = w.prev
		}
		rk.withdraw(w)
	}
	w.next = rk.waiters
	rk.waiters = w
	rk.mu.Unlock()
}

// leave ends w's hold on its ctx. A wake-up under way is waited for.
func (w *waiter) leave() {
	if w.done != nil && !w.stop() {
		<-w.woken
	}
	w.done = nil
}
