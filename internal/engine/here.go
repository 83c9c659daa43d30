package engine

import (
	"gridrun/internal/engine/match"
	"gridrun/internal/spin"
	"gridrun/internal/wire"
)

// Messages between ranks of one process need no frame. The sender does the
// receiver's part too, under the receiver's lock:
//
//	a receive waits for it   one copy, from buffer to buffer, and the waiter runs next
//	none does, short         kept with the receiver, within the window
//	else, or SSend           lent, if the sender waits for it (lent.go); if not, or
//	                         a second one at a time, RTS through the process's link
//	                         to itself (send.go)
//
// What a sender has unreceived at the receiver stands with the receiver (peer.held):
// no credit travels.

// lockedCopy is the longest message that is copied under the receiver's lock: what a
// look after the copy whether the receiver has gone to sleep would cost.
const lockedCopy = 2 << 10

// movedFrom is the length from which a copy by string moves is faster than one by
// vectors: those throw everything else out of the first cache.
const movedFrom = 4 << 10

// move copies src to dst, which is at least as long.
func move(dst, src []byte) {
	if len(src) >= movedFrom {
		spin.CopyOver(dst[:len(src)], src)
	} else {
		copy(dst, src)
	}
}

// sendHere is SendShort to a rank of this process, for messages of any length that a
// receive waits for.
func (c *Comm) sendHere(to *Rank, op Op, tag Tag, elem Signature, x []byte) bool {
	rk := c.rank
	if c.state.dead.Load() || rk.proc.gone[to.world].Load() != nil {
		return false
	}
	to.mu.Lock()
	rv := (*match.Recv)(nil)
	if s := to.queues.TakeSlip(c.id, int32(rk.world), int32(tag)); s == nil {
		rv = to.queues.Take(c.id, int32(rk.world), int32(tag))
	} else if to.fill(s, elem, x) {
		to.mu.Unlock()
		if rk.rec != nil {
			rk.noteSent(op, to, x)
		}
		return true
	} else {
		rv = to.unfold(s)
	}
	if rv != nil {
		c.hand(rv.Value.(*Request), op, tag, elem, x)
	} else {
		h := rk.eager(to, op, c.id, tag, elem, x)
		if !to.hold(&h, x, true) {
			return false
		}
	}
	if rk.rec != nil {
		rk.noteSent(op, to, x)
	}
	return true
}

// hand completes r, a receive of another rank's or of this one's, with x. It unlocks
// that rank's mu.
func (c *Comm) hand(r *Request, op Op, tag Tag, elem Signature, x []byte) {
	to := r.rank
	if elem != r.elem || len(x) > len(r.buf) { // not the usual case of take
		to.mu.Unlock()
		h := c.rank.eager(to, op, c.id, tag, elem, x)
		r.take(&h, x)
		return
	}
	r.total, r.msg = uint64(len(x)), 0
	r.status = Status{Source: c.me, Tag: tag, Count: r.count(uint64(len(x)))}
	if len(x) > lockedCopy {
		to.mu.Unlock()
		move(r.buf, x)
		r.finish(nil)
		return
	}
	copy(r.buf, x)
	w := r.end(nil)
	to.mu.Unlock()
	if w != nil {
		w.wake()
	}
}

// sendHere is that of a call's message.
func (k *Call) sendHere(to *Rank, tag Tag, x []byte) bool {
	c, rk := k.comm, k.comm.rank
	if c.state.dead.Load() || rk.proc.gone[to.world].Load() != nil {
		return false
	}
	h := rk.eager(to, k.op, c.id|collective, tag, k.elem, x)
	h.Flags, h.Seq = k.flags, k.seq
	if !to.deliver(&h, x, true) {
		return false
	}
	if rk.rec != nil {
		rk.noteSent(k.op, to, x)
	}
	return true
}

// eager is the envelope of a message x for a rank of this process.
func (rk *Rank) eager(to *Rank, op Op, group uint64, tag Tag, elem Signature, x []byte) wire.Header {
	return wire.Header{Kind: wire.Eager, Op: uint8(op), Src: int32(rk.world), Dst: int32(to.world),
		Group: group, Tag: int32(tag), Elem: uint32(elem), Body: uint32(len(x)), Len: uint64(len(x))}
}

func (rk *Rank) noteSent(op Op, to *Rank, x []byte) {
	rk.mu.Lock()
	rk.rec.Sent(uint8(op), rk.proc.class(int32(to.world)), len(x))
	rk.mu.Unlock()
}

// deliver takes a message for rk, of another rank of its process or of itself.
// False: no receive waits for it and it must not be kept; see hold. What its sender
// sent before has been delivered.
func (rk *Rank) deliver(h *wire.Header, x []byte, eager bool) bool {
	rk.mu.Lock()
	rv := rk.queues.Take(h.Group, h.Src, h.Tag)
	if rv == nil {
		return rk.hold(h, x, eager)
	}
	rk.mu.Unlock()
	rv.Value.(*Request).take(h, x)
	return true
}

// hold keeps a message that no receive waits for. False: it is too long, beyond the
// window, or not meant to be kept (eager). It unlocks rk.mu.
func (rk *Rank) hold(h *wire.Header, x []byte, eager bool) bool {
	pe := rk.peer(h.Src)
	cost := len(x) + envelope
	if !eager || len(x) > pe.eager || pe.held+cost > pe.window {
		rk.mu.Unlock()
		return false
	}
	if g := rk.groups[h.Group&^collective]; g != nil && g.revoked != nil {
		rk.mu.Unlock()
		return true // nobody can receive it any more
	}
	pe.held += cost
	group, clash := rk.keep(h, x, nil)
	rk.mu.Unlock()
	if clash != nil {
		group.Revoke(clash)
	}
	return true
}

// claim takes the send that h has announced to a rank of the same process out of rk's
// table, for the caller to copy its message and to finish it; nil: rk has ended it.
func (rk *Rank) claim(h *wire.Header) *Request {
	rk.mu.Lock()
	s := rk.sends[h.Send]
	if s != nil {
		delete(rk.sends, h.Send)
	}
	rk.mu.Unlock()
	return s
}
