package engine

import (
	"context"

	"gridrun/internal/engine/match"
	"gridrun/internal/wire"
)

// The straight path of a short message to another process of the host: no
// request, one look at everything that may stand in its way, under the rank's
// lock, and the record is written where the receiver looks. What does stand in
// its way is for the long path (Request.start) to deal with or to say.

// SendShort sends x if that can be done at once. False: nothing has happened, and
// Send is to be called.
func (c *Comm) SendShort(ctx context.Context, op Op, dst int, tag Tag, x Payload) bool {
	if uint(dst) >= uint(c.size) || tag < 0 || ctx.Err() != nil {
		return false
	}
	rk := c.rank
	h := &rk.out
	if len(x.Bytes) > eagerMax || rk.tracing {
		return false
	}
	rk.mu.Lock()
	h.Op, h.Flags, h.Seq = uint8(op), 0, 0
	h.Group, h.Tag, h.Elem = c.id, int32(tag), uint32(x.Elem)
	return rk.sendShort(c, c.members[dst], x.Bytes)
}

// sendShort is SendShort for a message of a collective call.
func (k *Call) sendShort(dst int, tag Tag, x []byte) bool {
	rk := k.comm.rank
	if len(x) > eagerMax || rk.tracing {
		return false
	}
	h := &rk.out
	rk.mu.Lock()
	h.Op, h.Flags, h.Seq = uint8(k.op), k.flags, k.seq
	h.Group, h.Tag, h.Elem = k.comm.id|collective, int32(tag), uint32(k.elem)
	return rk.sendShort(k.comm, k.comm.members[dst], x)
}

// sendShort sends x with the envelope rk.out. It unlocks rk.mu.
func (rk *Rank) sendShort(c *Comm, to int32, x []byte) bool {
	pe := rk.peer(to)
	if pe.push == nil || len(x)+envelope > pe.credit || c.state.revoked != nil || pe.gone.Load() != nil {
		rk.mu.Unlock()
		return false
	}
	h := &rk.out
	h.Dst, h.Len, h.Credit = to, uint64(len(x)), pe.owed
	ok := pe.push.Push(h, x)
	if ok {
		pe.credit -= len(x) + envelope
		pe.owed = 0
		if rk.rec != nil {
			rk.rec.Sent(h.Op, pe.class, len(x))
		}
	}
	rk.mu.Unlock()
	return ok
}

// ArrivedAll implements transport.BatchSink: what Arrived does for each, under one
// lock as long as receives wait for the messages.
func (p *Proc) ArrivedAll(from int, hs []wire.Header, bodies [][]byte) {
	var over [16]*Request
	n := 0
	var rk *Rank // whose lock is held
	for i := range hs {
		h := &hs[i]
		to := p.addressee(from, h)
		if to != rk || n == len(over) {
			if rk != nil {
				rk.mu.Unlock()
			}
			finishAll(over[:n])
			if n, rk = 0, to; to == nil {
				continue
			}
			rk.mu.Lock()
		}
		if rk == nil {
			continue
		}
		pe := rk.peer(h.Src)
		if h.Credit > 0 {
			pe.repaid(h.Credit)
			h.Credit = 0
		}
		rv := (*match.Recv)(nil)
		if int(pe.owed)+int(h.Len)+envelope < pe.granted/2 { // nothing to repay
			rv = rk.take(h)
		}
		if rv == nil {
			rk.mu.Unlock()
			finishAll(over[:n])
			n, rk = 0, nil
			p.Arrived(from, h, bodies[i])
			continue
		}
		pe.owed += uint32(h.Len) + envelope
		r := rv.Value.(*Request)
		if r.err = r.accept(h); r.err == nil {
			copy(r.buf, bodies[i])
		}
		over[n] = r
		n++
	}
	if rk != nil {
		rk.mu.Unlock()
	}
	finishAll(over[:n])
}

func finishAll(rs []*Request) {
	for _, r := range rs {
		r.finish(r.err)
	}
}
