package engine

import (
	"gridrun/internal/engine/match"
	"gridrun/internal/wire"
)

// The straight path of a short message to another process: no request, one look at
// everything that may stand in its way, under the rank's lock, and the record is
// written where the receiver looks, or the frame given to the kernel. What does stand in
// its way is for the long path (Request.start) to deal with or to say.

// SendShort sends x if that can be done at once. False: nothing has happened, and
// Send is to be called. The caller has looked at its ctx.
func (c *Comm) SendShort(op Op, dst int, tag Tag, elem Signature, x []byte) bool {
	rk := c.rank
	if uint(dst) >= uint(c.size) || tag < 0 || rk.tracing {
		return false
	}
	if to := rk.proc.ranks[c.members[dst]]; to != nil {
		return c.sendHere(to, op, tag, elem, x)
	}
	if len(x) > eagerMax {
		return false
	}
	rk.mu.Lock()
	ok := rk.push(c, c.members[dst], uint64(op), c.id, tags(tag, elem), 0, x)
	rk.mu.Unlock()
	return ok
}

// sendShort is SendShort for a message of a collective call.
func (k *Call) sendShort(dst int, tag Tag, x []byte) bool {
	c := k.comm
	rk := c.rank
	if rk.tracing {
		return false
	}
	if to := rk.proc.ranks[c.members[dst]]; to != nil {
		return k.sendHere(to, tag, x)
	}
	if len(x) > eagerMax {
		return false
	}
	rk.mu.Lock()
	ok := rk.push(c, c.members[dst], uint64(k.op)|uint64(k.flags)<<8, c.id|collective, tags(tag, k.elem), k.seq, x)
	rk.mu.Unlock()
	return ok
}

func tags(tag Tag, elem Signature) uint64 { return uint64(uint32(tag)) | uint64(elem)<<32 }

// push sends x, with the words of [transport.Pusher]. Called with rk.mu held.
func (rk *Rank) push(c *Comm, to int32, what, group, tags uint64, seq uint32, x []byte) bool {
	pe := rk.peer(to)
	cost := len(x) + envelope
	if pe.push == nil || cost > pe.credit || c.state.revoked != nil || pe.gone.Load() != nil {
		return false
	}
	ranks := uint64(uint32(rk.world)) | uint64(uint32(to))<<32
	if !pe.push.Push(what, ranks, group, tags, uint64(pe.owed)|uint64(seq)<<32, x) {
		return false
	}
	pe.credit -= cost
	pe.owed = 0
	if rk.rec != nil {
		rk.rec.Sent(uint8(what), pe.class, len(x))
	}
	return true
}

// ArrivedAll implements transport.BatchSink: what Arrived does for each, under one
// lock as long as receives wait for the messages.
func (p *Proc) ArrivedAll(from int, hs []wire.Header, bodies [][]byte) {
	var asleep [16]*waiter // who must be woken when the lock is free
	n := 0
	var rk, to *Rank // whose lock is held, and whom the message is for
	var pe *peer
	for i := range hs {
		h := &hs[i]
		if i == 0 || h.Dst != hs[i-1].Dst || h.Src != hs[i-1].Src {
			to, pe = p.addressee(from, h), nil
		}
		if to != rk || n == len(asleep) {
			if rk != nil {
				rk.mu.Unlock()
			}
			wakeAll(asleep[:n])
			if n, rk = 0, to; to == nil {
				continue
			}
			rk.mu.Lock()
		}
		if rk == nil {
			continue
		}
		if pe == nil {
			pe = rk.peer(h.Src)
		}
		if h.Credit > 0 {
			pe.repaid(h.Credit)
			h.Credit = 0
		}
		rv := (*match.Recv)(nil)
		if int(pe.owed)+int(h.Len)+envelope < pe.granted/2 { // nothing to repay
			if s := rk.queues.TakeSlip(h.Group, h.Src, h.Tag); s == nil {
				rv = rk.take(h)
			} else if rk.fill(s, Signature(h.Elem), bodies[i]) {
				pe.owed += uint32(h.Len) + envelope
				continue
			} else {
				rv = rk.unfold(s)
			}
		}
		if rv == nil {
			rk.mu.Unlock()
			wakeAll(asleep[:n])
			n, rk = 0, nil
			p.Arrived(from, h, bodies[i])
			continue
		}
		pe.owed += uint32(h.Len) + envelope
		r := rv.Value.(*Request)
		err := r.accept(h)
		if err == nil {
			copy(r.buf, bodies[i])
		}
		if w := r.end(err); w != nil {
			asleep[n] = w
			n++
		}
	}
	if rk != nil {
		rk.mu.Unlock()
	}
	wakeAll(asleep[:n])
}

func wakeAll(ws []*waiter) {
	for _, w := range ws {
		w.wake()
	}
}
