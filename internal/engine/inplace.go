package engine

import (
	"gridrun/internal/engine/match"
	"gridrun/internal/wire"
)

// A long eager message comes in two steps (transport.Placer): with its header it is
// matched, and if a receive waits for it the network reads the body straight into
// that receive's buffer. From then on the receive is in the table of those whose data
// is on its way, like that of a rendezvous. If none waits the body goes to a message's
// own room, and is matched when it is complete: the order of one sender's messages is
// kept, since nothing of that sender can overtake a body.

// place is Place for an Eager frame. It leaves the receive's number in h, for Placed.
func (rk *Rank) place(from int, h *wire.Header) []byte {
	h.Recv = 0
	rk.mu.Lock()
	if h.Credit > 0 {
		rk.peer(h.Src).repaid(h.Credit)
	}
	rv := rk.queues.Take(h.Group, h.Src, h.Tag)
	if rv == nil {
		if g := rk.groups[h.Group&^collective]; g != nil && g.revoked != nil {
			rk.tooLate(h, g.revoked)
			return nil
		}
		rk.mu.Unlock()
		m := messages.Get().(*message)
		if cap(m.body) < int(h.Body) {
			m.body = make([]byte, h.Body)
		}
		m.body = m.body[:h.Body]
		rk.proc.arriving[from] = m
		return m.body
	}
	r := rv.Value.(*Request)
	rk.peer(h.Src).widen(h.Len, &rk.extra)
	owed := rk.consumed(h)
	err := r.accept(h)
	if err == nil {
		r.id = rk.id()
		h.Recv = r.id
		rk.recvs[r.id] = r
	}
	rk.mu.Unlock()
	rk.repay(h.Src, owed)
	if err != nil {
		r.finish(err)
		return nil
	}
	return r.buf[:h.Len]
}

// placed matches an eager message that has come into room of its own.
func (rk *Rank) placed(from int, h *wire.Header) {
	m := rk.proc.arriving[from]
	rk.proc.arriving[from] = nil
	if m == nil {
		return
	}
	if rk.envelope(h, m.body, m) {
		return
	}
	m.body = m.body[:0]
	messages.Put(m)
}

// fill makes m the message of an envelope whose body is in m already or copied there.
func (m *message) fill(h *wire.Header, body []byte) {
	m.Msg = match.Msg{Group: h.Group, Src: h.Src, Tag: h.Tag, Value: m}
	m.header = *h
	if len(body) == 0 || len(m.body) == 0 || &m.body[0] != &body[0] {
		m.body = append(m.body[:0], body...)
	}
}
