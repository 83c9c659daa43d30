package engine

import (
	"context"
	"fmt"
	"slices"

	"gridrun/internal/engine/match"
	"gridrun/internal/spin"
	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// maxValue bounds a message whose receiver makes room for whatever comes.
const maxValue = 1 << 36

// never is the ctx of waits whose end the peer decides.
var never = context.Background()

// Arrived implements transport.Sink.
func (p *Proc) Arrived(from int, h *wire.Header, body []byte) {
	rk := p.addressee(from, h)
	if rk == nil {
		return
	}
	if h.Credit > 0 {
		rk.mu.Lock()
		rk.peer(h.Src).repaid(h.Credit)
		rk.mu.Unlock()
	}
	switch h.Kind {
	case wire.Stored:
		if p.stores[from] != nil {
			rk.envelope(h, nil, nil)
		}
	case wire.Eager, wire.RTS:
		rk.envelope(h, body, nil)
	case wire.CTS:
		rk.clearedToSend(h)
	case wire.Cancel:
		rk.cancelled(h)
	case wire.Cancelled:
		rk.takenBack(h)
	case wire.Revoke:
		rk.passRevoke(h, decodeRevoke(h, body))
	case wire.Bye:
		p.markGone(int(h.Src), &end{finished: true, survived: true})
	case wire.Agree:
		rk.agreed(h, body)
	case wire.Put:
		rk.filled(h)
	}
}

// addressee finds the local rank a frame is for, and drops frames that process
// from has no business sending.
func (p *Proc) addressee(from int, h *wire.Header) *Rank {
	if int(h.Dst) >= len(p.ranks) || int(h.Src) >= len(p.ranks) || p.Topology.RankProc[h.Src] != from {
		return nil
	}
	return p.ranks[h.Dst]
}

// envelope matches an Eager or RTS frame. body may be room's; kept says that room is
// the queue's now.
func (rk *Rank) envelope(h *wire.Header, body []byte, room *message) (kept bool) {
	rk.mu.Lock()
	if h.Kind == wire.RTS && h.Recv != 0 {
		if r := rk.taken(h); r != nil {
			rk.answer(r, h, true)
		} else {
			rk.mu.Unlock()
		}
		return false
	}
	rv := (*match.Recv)(nil)
	if s := rk.queues.TakeSlip(h.Group, h.Src, h.Tag); s == nil {
		rv = rk.take(h)
	} else if h.Kind == wire.Eager && rk.fill(s, Signature(h.Elem), body) {
		owed := rk.accepted(h)
		rk.mu.Unlock()
		rk.repay(h.Src, owed)
		return false
	} else {
		rv = rk.unfold(s)
	}
	if rv == nil {
		if g := rk.groups[h.Group&^collective]; g != nil && g.revoked != nil {
			rk.tooLate(h, g.revoked)
			return false
		}
		group, clash := rk.keep(h, body, room)
		rk.mu.Unlock()
		if clash != nil {
			group.Revoke(clash)
		}
		return true
	}
	r := rv.Value.(*Request)
	if h.Kind == wire.Eager {
		owed := rk.accepted(h)
		rk.mu.Unlock()
		rk.repay(h.Src, owed)
		r.take(h, body)
		return false
	}
	rk.answer(r, h, true)
	return false
}

// answer goes on with a receive that an RTS has matched: it copies the data
// itself where it can, else asks for it. waited says that the receive was there first.
// It unlocks rk.mu.
func (rk *Rank) answer(r *Request, h *wire.Header, waited bool) {
	if h.Kind == wire.Stored {
		rk.mu.Unlock()
		rk.fetch(r, h)
		return
	}
	err := r.accept(h)
	if lost := rk.missing(h); lost != nil {
		err = lost
	}
	if from := rk.proc.ranks[h.Src]; from != nil && err == nil {
		// As below, r is this goroutine's alone, and so is what it takes.
		rk.mu.Unlock()
		if s := from.claim(h); s != nil {
			move(r.buf, s.buf)
			r.finish(nil)
			s.finish(nil)
			return
		}
		rk.mu.Lock()
		err = rk.missing(h) // meanwhile
	}
	reply := wire.Header{Kind: wire.CTS, Dst: h.Src, Group: h.Group, Send: h.Send}
	if pull := rk.proc.pulls[rk.proc.Topology.RankProc[h.Src]]; err == nil && h.Off != 0 && pull != nil {
		// In no table, r is this goroutine's alone: nobody else ends it.
		rk.mu.Unlock()
		if rk.proc.prefersPull(pull) && pull.Pull(r.buf[:h.Len], h.Off) {
			rk.control(&reply)
			r.finish(nil)
			return
		}
		rk.mu.Lock()
		err = rk.missing(h)
	}
	if err == nil {
		r.id = rk.id()
		reply.Recv = r.id
		rk.recvs[r.id] = r
	}
	pe := rk.peer(h.Src)
	pe.announced(h.Len, waited, &rk.extra)
	reply.Credit, pe.owed = pe.owed, 0
	rk.mu.Unlock()
	if err != nil {
		defer r.finish(err)
	}
	rk.control(&reply)
}

// prefersPull tells whether the receiver of a matched message copies it alone rather
// than in pieces with the sender, which is faster, however long the message is, while
// both have a processor: two ends that share one would wait for each other at every
// piece, and a receiver that computes has one thread to spare, not two. A sender that
// computes would have to be woken up; one that waits for the answer may have announced
// the message just before it began to.
func (p *Proc) prefersPull(pull transport.Puller) bool {
	if p.crowded || p.tending.Load() || p.shared.Load() > 0 {
		return true
	}
	for range attentionLooks {
		if pull.Attended() {
			return false
		}
		spin.Pause()
	}
	return true
}

// attentionLooks take one or two microseconds.
const attentionLooks = 50

// tooLate drops a message of a revoked group, which nobody can receive any more:
// an eager one's credit goes back, an RTS's sender learns why. It unlocks rk.mu.
func (rk *Rank) tooLate(h *wire.Header, cause error) {
	switch h.Kind {
	case wire.RTS:
		rk.mu.Unlock()
		rk.dropRTS(h, cause)
		return
	case wire.Stored:
		rk.mu.Unlock()
		rk.proc.unstore(h)
		return
	}
	owed := rk.consumed(h)
	rk.mu.Unlock()
	rk.repay(h.Src, owed)
}

// keep queues an unexpected message, in room if that is not nil, and wakes who probes
// for it. If a collective call is in progress that the message contradicts, it returns
// that and the group. Called with rk.mu held: when a call is over, its memory may
// serve the next one.
func (rk *Rank) keep(h *wire.Header, body []byte, m *message) (*Comm, error) {
	if m == nil {
		m = rk.blankMessage()
	}
	m.fill(h, body)
	rk.queues.Keep(&m.Msg)
	rk.probes = slices.DeleteFunc(rk.probes, func(r *Request) bool {
		if rk.queues.Peek(r.recv.Group, r.recv.Src, r.recv.Tag) != &m.Msg {
			return false
		}
		r.see(h)
		r.finish(nil)
		return true
	})
	if h.Group&collective != 0 {
		if g := rk.groups[h.Group&^collective]; g != nil {
			if k := g.calls[h.Seq]; k != nil && !k.agrees(h) {
				return k.comm, k.contradiction(h)
			}
		}
	}
	return nil, nil
}

// consumed accounts for an eager message that has been matched and returns the
// credit to give back at once, 0 if it can wait for a frame that goes there
// anyway. Called with rk.mu held.
func (rk *Rank) consumed(h *wire.Header) uint32 {
	return rk.peer(h.Src).due(h.Len)
}

// accepted is consumed for a message that a receive has waited for.
func (rk *Rank) accepted(h *wire.Header) uint32 {
	if h.Len >= widening {
		rk.peer(h.Src).widen(h.Len, &rk.extra)
	}
	return rk.consumed(h)
}

func (rk *Rank) repay(peer int32, owed uint32) {
	if owed > 0 {
		rk.control(&wire.Header{Kind: wire.Credit, Dst: peer, Credit: owed})
	}
}

// see notes the envelope in r's status.
func (r *Request) see(h *wire.Header) {
	r.total = h.Len
	tag := Tag(h.Tag)
	if r.call != nil {
		tag = AnyTag
	}
	n := 0
	if r.kind == probing {
		n = Signature(h.Elem).count(h.Len)
	} else {
		n = r.count(h.Len)
	}
	r.status = Status{Source: r.comm.groupRank(int(h.Src)), Tag: tag, Count: n}
}

// accept checks a matched envelope against the receive and makes room.
func (r *Request) accept(h *wire.Header) error {
	r.see(h)
	r.msg = h.Send
	if r.call != nil && !r.call.agrees(h) {
		return r.call.contradiction(h)
	}
	if Signature(h.Elem) != r.elem {
		return fmt.Errorf("%w: the sender's elements are %v, the receiver's %v", ErrType, Signature(h.Elem), r.elem)
	}
	if r.alloc {
		if h.Len > maxValue {
			return fmt.Errorf("%w: an encoded value of %d bytes, the most is %d", ErrTruncated, h.Len, maxValue)
		}
		r.buf = make([]byte, h.Len)
	}
	if r.call != nil && uint64(len(r.buf)) != h.Len {
		return r.lengthError(h.Len)
	}
	if h.Len > uint64(len(r.buf)) {
		return fmt.Errorf("%w: the message has %d elements (%d bytes), the buffer %d", ErrTruncated, r.count(h.Len), h.Len, r.count(uint64(len(r.buf))))
	}
	return nil
}

// take completes r with an eager message.
func (r *Request) take(h *wire.Header, body []byte) {
	err := r.accept(h)
	if err == nil {
		copy(r.buf, body)
	}
	r.finish(err)
}

// Place implements transport.Sink.
func (p *Proc) Place(from int, h *wire.Header) []byte {
	rk := p.addressee(from, h)
	if rk == nil {
		return nil
	}
	if h.Kind == wire.Eager {
		return rk.place(from, h)
	}
	rk.mu.Lock()
	defer rk.mu.Unlock()
	r := rk.recvs[h.Recv]
	if r == nil || r.status.Source != r.comm.groupRank(int(h.Src)) || h.Len != r.total || h.Off+uint64(h.Body) > r.total {
		return nil
	}
	if h.Body == 0 {
		return nothing
	}
	return r.buf[h.Off : h.Off+uint64(h.Body)]
}

// nothing is where a piece of no bytes belongs: not nil, which would drop it.
var nothing = []byte{}

// Placed implements transport.Sink.
func (p *Proc) Placed(from int, h *wire.Header) {
	rk := p.addressee(from, h)
	if rk == nil {
		return
	}
	if h.Kind == wire.Eager && h.Recv == 0 {
		rk.placed(from, h)
		return
	}
	rk.mu.Lock()
	r := rk.recvs[h.Recv]
	if r == nil {
		rk.mu.Unlock()
		return
	}
	r.got += uint64(h.Body)
	done := r.got >= r.total
	if done {
		delete(rk.recvs, h.Recv)
	}
	rk.mu.Unlock()
	if done {
		r.finish(nil)
	}
}

// cancelled answers a sender that wants its RTS back: agreed if it is unmatched.
func (rk *Rank) cancelled(h *wire.Header) {
	rk.mu.Lock()
	found := rk.queues.Msgs(func(m *match.Msg) bool {
		mh := &m.Value.(*message).header
		return mh.Kind == wire.RTS && m.Src == h.Src && mh.Send == h.Send
	})
	for _, m := range found {
		rk.queues.Remove(m)
	}
	rk.mu.Unlock()
	if len(found) > 0 {
		rk.control(&wire.Header{Kind: wire.Cancelled, Dst: h.Src, Send: h.Send})
	}
}

// takenBack ends a transfer that the other side will not go on with: a send
// whose RTS the receiver has removed (Send), or a receive whose sender no longer
// knows of it, for the group was revoked there (Recv).
func (rk *Rank) takenBack(h *wire.Header) {
	rk.mu.Lock()
	r, err := rk.sends[h.Send], ErrRevoked
	switch {
	case h.Recv != 0:
		if r = rk.recvs[h.Recv]; r != nil && r.status.Source != r.comm.groupRank(int(h.Src)) {
			r = nil
		}
		if r != nil {
			delete(rk.recvs, h.Recv)
			if g := rk.groups[r.comm.id]; g != nil && g.revoked != nil {
				err = g.revoked
			}
		}
	case r == nil || r.peer != h.Src || r.canceled == nil:
		r = nil
	default:
		delete(rk.sends, h.Send)
		err = r.canceled
	}
	rk.mu.Unlock()
	if r != nil {
		r.finish(err)
	}
}
