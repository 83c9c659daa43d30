package engine

import (
	"context"
	"sync/atomic"
	"time"

	"gridrun/internal/spin"
	"gridrun/internal/wire"
)

// A lent message is one that its sender waits with, for a rank of the same process
// that has posted no receive yet and must not keep a copy: too long, beyond the window,
// or to be matched. The envelope stands in the receiver's queue as an RTS does, its body
// is the sender's own memory, and the receive that takes it copies and says so: no
// frame, no table, and few cache lines, for a copy of 64 KiB has just thrown all others
// out of the fastest cache.
//
// A rank has one; a second goroutine that sends so meanwhile takes the long way. Whoever
// sets taken, under the receiver's lock, finishes the request.
type lent struct {
	message
	Request // of the sender

	// to is the rank in whose queue the message is; nil: nothing is lent. Taking the
	// loan (from nil) orders what is stored before a look whether the group and the
	// receiver still live, and their ends' stores before a look for loans.
	to    atomic.Pointer[Rank]
	taken uint64

	w waiter // by which the sender sleeps where no network must be polled
	// turn is odd during a loan, and then its number for the lookout; seen is that of the
	// loan that the lookout has found last, at the time since.
	turn, seen uint64
	since      time.Time
	// brisk says that there are as many of them as of a brisk rank's sleeps (lookout.go);
	// counted is the turn at the last look.
	brisk, counted uint64
}

// SendWait is Send and Finish in one, for all but encoded values.
func (c *Comm) SendWait(ctx context.Context, op Op, dst int, tag Tag, x Payload) error {
	if ctx.Err() == nil && uint(dst) < uint(c.size) && tag >= 0 {
		to := c.rank.proc.ranks[c.members[dst]]
		if op != OpSSend && (to == nil || len(x.Bytes) <= eagerMax) && c.SendShort(op, dst, tag, x.Elem, x.Bytes) {
			return nil
		}
		if to != nil && c.rank.rec == nil {
			if l, done := c.lend(ctx, to, op, tag, x); l != nil {
				return l.repaid(ctx)
			} else if done {
				return nil
			}
		}
	}
	r, err := c.Send(ctx, op, dst, tag, x)
	if err != nil {
		return err
	}
	_, err = r.Finish(ctx)
	return err
}

// lend queues x at its receiver, unless a receive waits for it: then it is done. If
// neither, it has to be sent otherwise.
func (c *Comm) lend(ctx context.Context, to *Rank, op Op, tag Tag, x Payload) (l *lent, done bool) {
	rk := c.rank
	if c.state.dead.Load() || rk.proc.gone[to.world].Load() != nil {
		return nil, false
	}
	to.mu.Lock()
	if rv := to.queues.Take(c.id, int32(rk.world), int32(tag)); rv != nil {
		c.hand(rv.Value.(*Request), op, tag, x.Elem, x.Bytes)
		return nil, true
	}
	l = &rk.lent
	g := to.groups[c.id]
	if g != nil && g.revoked != nil || !l.to.CompareAndSwap(nil, to) {
		to.mu.Unlock()
		return nil, false
	}
	r := &l.Request
	r.comm, r.op, r.peer, r.tag, r.err = c, op, int32(to.world), tag, nil
	r.over = 0
	spin.StorePointer(&r.waiter, l.sleeper(ctx))
	spin.Store(&l.taken, 0)
	h := rk.eager(to, op, c.id, tag, x.Elem, nil)
	h.Kind, h.Len = wire.RTS, uint64(len(x.Bytes))
	l.body = x.Bytes
	spin.Store(&l.turn, l.turn+1)
	to.keep(&h, x.Bytes, &l.message)
	to.mu.Unlock()
	if c.state.dead.Load() || rk.proc.gone[to.world].Load() != nil { // meanwhile
		rk.mu.Lock()
		err := rk.refuse(r)
		rk.mu.Unlock()
		l.takeBack(err, whichever)
	}
	return l, false
}

// borrow completes r with a message that its sender has lent, which the caller has
// removed from the queue. It unlocks rk.mu.
func (rk *Rank) borrow(r *Request, l *lent) {
	spin.Store(&l.taken, 1)
	err := r.accept(&l.header)
	if lost := rk.missing(&l.header); lost != nil {
		err = lost
	}
	rk.mu.Unlock()
	if err == nil {
		move(r.buf, l.body)
	}
	r.end(err)
	l.end(nil)
}

// end is finish: nobody else arms a loan's request where its sender sleeps.
func (l *lent) end(err error) {
	if l.rank.proc.poller != nil {
		l.finish(err)
	} else {
		l.Request.end(err).wake()
	}
}

// takeBack ends the loan with err if no receive has taken it, and it concerns the
// caller.
func (l *lent) takeBack(err error, concerns func(r *Request) bool) {
	to := l.to.Load()
	if to == nil {
		return
	}
	to.mu.Lock()
	// In this order: a loan that is over is taken before the next one's to is there,
	// and that before it is not taken.
	if atomic.LoadUint64(&l.taken) != 0 || l.to.Load() != to || !concerns(&l.Request) {
		to.mu.Unlock()
		return
	}
	to.queues.Remove(&l.message.Msg)
	spin.Store(&l.taken, 1)
	to.mu.Unlock()
	l.end(err)
}

func whichever(*Request) bool { return true }

// repaid returns when the loan is over.
func (l *lent) repaid(ctx context.Context) error {
	r := &l.Request
	rk := r.rank
	if rk.proc.poller != nil {
		if err := rk.await(ctx, r); err != nil {
			l.takeBack(err, whichever)
			rk.await(never, r)
		}
	} else {
		if atomic.LoadUint64(&l.brisk) != 0 {
			spin.Pass()
		}
		for ; !r.ready(); l.w.bell.Wait() {
			if ctx.Err() != nil {
				l.takeBack(errEnded(ctx), whichever)
				ctx = never
			}
		}
	}
	l.awake()
	err := r.err
	if err != nil {
		err = r.wrap(err)
	}
	r.comm, l.body = nil, nil
	spin.StorePointer(&l.to, nil)
	return err
}

// sleeper returns the waiter by which the sender is to sleep. Called after to has been
// set, so that the lookout finds the loan whenever it is called.
func (l *lent) sleeper(ctx context.Context) *waiter {
	rk, w := l.rank, &l.w
	if rk.proc.poller != nil {
		return nil
	}
	if w.rouse == nil {
		w.rouse = w.wake
	}
	if w.done != ctx.Done() {
		w.serve(ctx)
	}
	rk.proc.lookout.begin()
	return w
}

// publish is the lookout's look, with the sender's lock held; true: there is reason to
// look again.
func (l *lent) publish(now time.Time, often uint64) bool {
	turn, brisk := atomic.LoadUint64(&l.turn), uint64(0)
	if (turn-l.counted)/2 > often {
		brisk = 1
	}
	spin.Store(&l.brisk, brisk)
	l.counted = turn
	if l.to.Load() == nil {
		return brisk != 0
	}
	if turn = atomic.LoadUint64(&l.turn); turn%2 == 0 {
		return true // it begins or ends
	}
	if l.seen != turn {
		l.since = now
		atomic.StoreUint64(&l.seen, turn)
		return true
	}
	if l.w.slot < 0 {
		entry := l.Request.wait()
		entry.Since = l.since
		l.w.slot = l.rank.table.Enter(entry)
	}
	return false
}

// awake ends a loan for the lookout. If that has not seen it yet it can enter it in the
// wait table a tick later at the earliest, when it will have seen the end.
func (l *lent) awake() {
	turn := l.turn
	spin.Store(&l.turn, turn+1)
	if atomic.LoadUint64(&l.seen) == turn {
		l.rank.mu.Lock()
		l.rank.withdraw(&l.w)
		l.rank.mu.Unlock()
	}
	l.w.bell.Silence() // the next loan's claim is the locked instruction that comes then
}
