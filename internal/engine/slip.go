package engine

import (
	"context"

	"gridrun/internal/engine/match"
	"gridrun/internal/spin"
	"gridrun/internal/wire"
)

// The straight path of a short receive from a rank of this process, or of another one of
// the host: if its message has come, it is copied, else there is no
// request but a slip (package match), a few words in the order of posting. A message
// that comes for it is copied, its outcome stored in the user's handle, and that is all.
// Whatever else there is to do with it, to sleep until it is over for one, is for a
// Request to do, which is made then.

// slip starts a receive, if that can be done by a slip.
func (c *Comm) slip(ctx context.Context, op Op, src int, tag Tag, x Payload) *Handle {
	rk := c.rank
	if uint(src) >= uint(c.size) || tag < 0 || len(x.Bytes) > eagerMax || rk.tracing || ctx.Err() != nil {
		return nil
	}
	from := c.members[src]
	rk.mu.Lock()
	// What ends receives finds this one in the queues (Rank.lost, Rank.revoked).
	if c.state.revoked != nil || rk.proc.goneN.Load() != 0 || !rk.peer(from).slips {
		rk.mu.Unlock()
		return nil
	}
	s := rk.queues.Slip(c.id, from, int32(tag))
	if s == nil {
		return c.collect(src, tag, x)
	}
	h := rk.blank()
	s.Peer, s.Elem, s.Size, s.Buf, s.Owner, s.Op = int32(src), uint32(x.Elem), x.Size, x.Bytes, h, uint8(op)
	spin.StorePointer(&h.at, &c.slipped)
	rk.mu.Unlock()
	return h
}

// collect receives a short message that has come. nil: there is none, or it does not fit.
// It unlocks rank.mu.
func (c *Comm) collect(src int, tag Tag, x Payload) *Handle {
	rk := c.rank
	m := rk.queues.Peek(c.id, c.members[src], int32(tag))
	if m == nil {
		rk.mu.Unlock()
		return nil
	}
	msg := m.Value.(*message)
	if msg.header.Kind != wire.Eager || msg.header.Elem != uint32(x.Elem) || len(msg.body) > min(len(x.Bytes), lockedCopy) {
		rk.mu.Unlock()
		return nil
	}
	rk.queues.Remove(m)
	owed := rk.consumed(&msg.header)
	h := rk.blank()
	n := elements(copy(x.Bytes, msg.body), int(x.Size))
	spin.StorePointer(&h.at, c.outcomes.of(Status{Source: src, Tag: tag, Count: n}, nil))
	rk.drop(msg)
	rk.mu.Unlock()
	rk.repay(c.members[src], owed)
	return h
}

// fill completes a slip, taken out of its row, with a short message. False: they do not
// fit, and unfold makes what can say so. Called with rk.mu held.
func (rk *Rank) fill(s *match.Slip, elem Signature, body []byte) bool {
	if uint32(elem) != s.Elem || len(body) > len(s.Buf) {
		return false
	}
	handle := s.Owner.(*Handle)
	c := handle.at.Load().slip
	copy(s.Buf, body)
	n := elements(len(body), int(s.Size))
	s.Buf, s.Owner = nil, nil
	spin.StorePointer(&handle.at, c.outcomes.of(Status{Source: int(s.Peer), Tag: Tag(s.Tag), Count: n}, nil))
	rk.awaited.over(handle)
	return true
}

// unfold makes a request of a slip. Called with rk.mu held.
func (rk *Rank) unfold(s *match.Slip) *match.Recv {
	h := s.Owner.(*Handle)
	r := rk.spare()
	r.receive(h.at.Load().slip, Op(s.Op), int(s.Peer), Tag(s.Tag), Payload{Bytes: s.Buf, Elem: Signature(s.Elem), Size: s.Size})
	s.Buf, s.Owner = nil, nil
	spin.StorePointer(&h.at, &r.own)
	rk.awaited.over(h)
	return &r.recv
}

// unfoldAll makes requests of all slips, for those who want to wait for one.
func (rk *Rank) unfoldAll() {
	rk.mu.Lock()
	rk.queues.UnfoldAll()
	rk.mu.Unlock()
}

// slips is the condition that none of some handles is a slip before the first that is
// something else, and not over. Nobody sleeps for it.
type slips struct {
	hs []*Handle
	at int // those before it are over
}

func (s *slips) ready() bool {
	for ; s.at < len(s.hs); s.at++ {
		h := s.hs[s.at]
		if h == nil {
			continue
		}
		switch o := h.at.Load(); {
		case o.slip != nil:
			return false
		case o.r != nil || o == inUse:
			return true
		}
	}
	return true
}

// expect polls for a moment, or until all slips of hs are over. Where no network must be
// polled it sleeps until the last of them is.
func (rk *Rank) expect(ctx context.Context, hs []*Handle) {
	p := rk.proc
	if p.poller == nil {
		rk.attend(ctx, hs)
	} else if p.takeToken() {
		p.expected = slips{hs: hs}
		p.look(&p.expected)
		p.expected = slips{}
		p.releaseToken()
	}
}

// awaited is the slip that a goroutine of the rank sleeps for. All is under the rank's
// lock.
type awaited struct {
	handle *Handle // nil: nobody sleeps
	w      waiter
}

// attend sleeps until the last slip of hs is over, or a request, or ctx ends.
func (rk *Rank) attend(ctx context.Context, hs []*Handle) {
	a := &rk.awaited
	rk.mu.Lock()
	h := rk.lastSlip(hs)
	if h == nil || a.handle != nil { // all are over, or another goroutine sleeps
		rk.mu.Unlock()
		return
	}
	rk.sleeps++
	brisk := rk.brisk
	a.handle, a.w.sleep = h, rk.sleeps
	a.w.bell.Silence()
	rk.mu.Unlock()
	if a.w.rouse == nil {
		a.w.proc, a.w.rouse = rk.proc, a.w.wake
	}
	if a.w.done != ctx.Done() {
		a.w.serve(ctx)
	}
	rk.proc.lookout.begin()
	if brisk { // see lookout
		spin.Pass()
	}
	for h.at.Load().slip != nil && ctx.Err() == nil {
		a.w.bell.Wait()
	}
	rk.mu.Lock()
	a.handle = nil
	rk.mu.Unlock()
}

// lastSlip is the last of hs that is a slip of this rank's, or nil.
func (rk *Rank) lastSlip(hs []*Handle) *Handle {
	for i := len(hs) - 1; i >= 0; i-- {
		if h := hs[i]; h != nil {
			if c := h.at.Load().slip; c != nil && c.rank == rk {
				return h
			}
		}
	}
	return nil
}

// over wakes who sleeps for h, which is no slip any more.
func (a *awaited) over(h *Handle) {
	if a.handle == h {
		a.w.bell.Ring()
	}
}

// publish is the lookout's look: a slip that somebody sleeps for longer than a tick is
// made a request, which the lookout knows how to enter.
func (a *awaited) publish(rk *Rank) (fresh bool) {
	switch {
	case a.handle == nil:
		return false
	case a.w.seen != a.w.sleep:
		a.w.seen = a.w.sleep
	default:
		rk.queues.UnfoldAll()
	}
	return true
}
