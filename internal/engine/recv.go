package engine

import (
	"slices"

	"gridrun/internal/wire"
)

// post offers r, a receive or a probe, to what has arrived.
func (r *Request) post() {
	r.rank.mu.Lock()
	if r.kind == probing {
		r.wants()
		r.look()
		return
	}
	r.offer()
}

// wants says what r is to be matched with.
func (r *Request) wants() {
	r.recv.Group, r.recv.Src, r.recv.Tag = r.comm.id, r.peer, int32(r.tag)
	if r.call != nil {
		r.recv.Group |= collective
	}
}

// offer is post for a receive and the holder of rk.mu, which it unlocks.
func (r *Request) offer() {
	rk := r.rank
	r.wants()
	m := rk.queues.Post(&r.recv)
	if m == nil {
		// Only a receive that must wait cares whether its sender still can send. Whose
		// end is not counted yet finds it queued (Proc.markGone).
		if r.comm.state.revoked != nil || rk.proc.goneN.Load() != 0 {
			if err := rk.hopeless(r); err != nil {
				rk.queues.Cancel(&r.recv)
				rk.mu.Unlock()
				r.finish(err)
				return
			}
		}
		if len(r.buf) > eagerMax {
			rk.show(r)
		}
		rk.mu.Unlock()
		return
	}
	msg := m.Value.(*message)
	if l := msg.lender; l != nil {
		rk.borrow(r, l)
		return
	}
	if msg.header.Kind != wire.Eager {
		rk.answer(r, &msg.header, false)
		messages.Put(msg)
		return
	}
	rk.gather(r, msg)
}

// gather completes r, which nobody else knows, with a message that had come. It unlocks
// rk.mu.
func (rk *Rank) gather(r *Request, msg *message) {
	from, owed := msg.Src, rk.consumed(&msg.header)
	err := r.accept(&msg.header)
	if err == nil && len(msg.body) <= lockedCopy {
		copy(r.buf, msg.body)
		rk.drop(msg)
		rk.mu.Unlock()
	} else {
		rk.mu.Unlock()
		if err == nil {
			copy(r.buf, msg.body)
		}
		messages.Put(msg)
	}
	r.end(err)
	rk.repay(from, owed)
}

// look is a probe's part of post; it unlocks rk.mu.
func (r *Request) look() {
	rk := r.rank
	m := rk.queues.Peek(r.recv.Group, r.recv.Src, r.recv.Tag)
	var err error
	if m == nil {
		if err = rk.hopeless(r); err == nil {
			rk.probes = append(rk.probes, r)
			rk.mu.Unlock()
			return
		}
	} else {
		h := &m.Value.(*message).header
		r.see(h)
		err = rk.missing(h)
	}
	rk.mu.Unlock()
	r.finish(err)
}

func (rk *Rank) dropProbe(r *Request) bool {
	i := slices.Index(rk.probes, r)
	if i < 0 {
		return false
	}
	rk.probes = slices.Delete(rk.probes, i, i+1)
	return true
}

// hopeless says why nothing can arrive any more for r. Called with rk.mu held.
func (rk *Rank) hopeless(r *Request) error {
	if r.peer >= 0 && r.comm.state.revoked == nil && rk.proc.gone[r.peer].Load() == nil {
		return nil
	}
	if err := rk.refuse(r); err != nil {
		return err
	}
	if r.peer >= 0 || rk.proc.goneN.Load() == 0 {
		return nil
	}
	// Any source: a dead sender may have been the one; finished ones matter
	// when nobody else is left.
	left := false
	var acked map[int32]bool
	if g := rk.groups[r.comm.id]; g != nil {
		acked = g.acked
	}
	for i := range r.comm.size {
		w := r.comm.WorldRank(i)
		e := rk.proc.gone[w].Load()
		switch {
		case e == nil:
			left = left || w != rk.world || r.comm.size == 1
		case !e.finished && !acked[int32(w)]:
			return rk.proc.lostError(w)
		}
	}
	if !left {
		return rk.proc.allFinished()
	}
	return nil
}
