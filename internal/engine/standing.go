package engine

import (
	"context"
	"sync/atomic"

	"gridrun/internal/spin"
	"gridrun/internal/wire"
)

// A standing receive is a rank's own request for calls that receive and wait: it is
// neither fetched nor freed. A second goroutine of the rank that does so meanwhile
// takes the long way.
type standing struct {
	Request
	// busy is set under the rank's lock, and cleared when the user of the request has
	// read everything.
	busy uint64

	// Where no network must be polled:
	w     *waiter
	rests bool // it waits by w
	brisk bool // the rank was, when it began to
}

// Receive is Recv and Finish in one.
func (c *Comm) Receive(ctx context.Context, src int, tag Tag, kind Kind, x []byte) (Status, error) {
	rk := c.rank
	s := &rk.standing
	if (uint(src) >= uint(c.size) && src != AnyRank) || tag < AnyTag || rk.rec != nil || ctx.Err() != nil {
		return c.receive(ctx, src, tag, kind, x)
	}
	rk.mu.Lock()
	if atomic.LoadUint64(&s.busy) != 0 {
		rk.mu.Unlock()
		return c.receive(ctx, src, tag, kind, x)
	}
	spin.Store(&s.busy, 1)
	if !s.post(ctx, c, src, tag, kind, x) {
		if s.brisk { // see Rank.brisk
			if spin.Pass(); !s.ready() {
				rk.mu.Lock()
				if s.recv.Posted() {
					s.rest(ctx)
				}
				rk.mu.Unlock()
			}
		}
		if !s.ready() {
			s.wait(ctx)
		}
		if s.rests {
			rk.withdraw(s.w)
		}
	}
	st, err := s.status, s.err
	if err != nil {
		err = s.wrap(err)
	}
	s.comm, s.buf = nil, nil
	spin.Store(&s.busy, 0)
	return st, err
}

// receive is Receive by a request of its own.
func (c *Comm) receive(ctx context.Context, src int, tag Tag, kind Kind, x []byte) (Status, error) {
	r, err := c.Recv(ctx, OpRecv, src, tag, kind.payload(x), false)
	if err != nil {
		return Status{}, err
	}
	return r.Finish(ctx)
}

// post offers the receive to what has arrived; true: it is over. It unlocks rk.mu.
func (s *standing) post(ctx context.Context, c *Comm, src int, tag Tag, kind Kind, x []byte) bool {
	r := &s.Request
	rk := r.rank
	r.comm, r.tag, r.elem, r.size, r.buf = c, tag, Signature(kind), int(kind.size()), x
	r.peer, r.err, r.canceled, r.id, r.got, r.shown = AnyRank, nil, nil, 0, 0, nil
	if src >= 0 {
		r.peer = c.members[src]
	}
	r.recv.Group, r.recv.Src, r.recv.Tag = c.id, r.peer, int32(tag)
	spin.StorePointer(&r.waiter, nil)
	r.over = 0
	s.rests, s.brisk = false, false
	m := rk.queues.Post(&r.recv)
	if m == nil {
		err := rk.hopeless(r)
		if err != nil {
			rk.queues.Cancel(&r.recv)
			r.err = err
		} else if s.brisk = rk.brisk; s.brisk { // it seldom comes to a rest
			rk.sleeps++
		} else if rk.proc.poller == nil {
			rk.sleeps++
			s.rest(ctx)
		} else if len(x) > eagerMax {
			rk.show(r)
		}
		rk.mu.Unlock()
		return err != nil
	}
	msg := m.Value.(*message)
	if l := msg.lender; l != nil {
		rk.borrow(r, l)
		return true
	}
	if msg.header.Kind != wire.Eager {
		rk.answer(r, &msg.header, false)
		messages.Put(msg)
		return r.ready()
	}
	rk.gather(r, msg)
	return true
}

// rest readies the waiter for a sleep. Called with rk.mu held.
func (s *standing) rest(ctx context.Context) {
	rk, w := s.rank, s.w
	if w == nil {
		w = &waiter{proc: rk.proc, slot: -1}
		w.rouse = w.wake
		s.w = w
	}
	if w.done != ctx.Done() {
		w.serve(ctx)
	}
	rk.proc.lookout.begin()
	w.sleep, s.rests = rk.sleeps, true
	w.bell.Silence()
	spin.StorePointer(&s.waiter, w)
}

// wait returns when the receive is over. Who completes it leaves its processor to
// this goroutine when it waits itself.
func (s *standing) wait(ctx context.Context) {
	r := &s.Request
	if !s.rests {
		if err := r.rank.await(ctx, r); err != nil {
			r.rank.takeBack(r, err)
		}
		return
	}
	for ; !r.ready(); s.w.bell.Wait() {
		if ctx.Err() != nil {
			r.rank.takeBack(r, errEnded(ctx))
			return
		}
	}
}
