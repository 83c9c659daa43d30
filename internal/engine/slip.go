package engine

import (
	"context"

	"gridrun/internal/engine/match"
	"gridrun/internal/spin"
	"gridrun/internal/wire"
)

// The straight path of a short receive from a rank of another process of the host: no
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
	if c.state.revoked != nil || rk.proc.goneN.Load() != 0 || rk.peer(from).put == nil {
		rk.mu.Unlock()
		return nil
	}
	s := rk.queues.Slip(c.id, from, int32(tag))
	if s == nil {
		rk.mu.Unlock()
		return nil
	}
	h := rk.blank()
	s.Peer, s.Elem, s.Size, s.Buf, s.Owner, s.Op = int32(src), uint32(x.Elem), x.Size, x.Bytes, h, uint8(op)
	spin.StorePointer(&h.at, &c.slipped)
	rk.mu.Unlock()
	return h
}

// fill completes a slip, taken out of its row, with a short message. False: they do not
// fit, and unfold makes what can say so. Called with rk.mu held.
func (rk *Rank) fill(s *match.Slip, h *wire.Header, body []byte) bool {
	if h.Elem != s.Elem || len(body) > len(s.Buf) {
		return false
	}
	handle := s.Owner.(*Handle)
	c := handle.at.Load().slip
	copy(s.Buf, body)
	n := len(body)
	if s.Size > 1 {
		n /= int(s.Size)
	}
	s.Buf, s.Owner = nil, nil
	spin.StorePointer(&handle.at, c.outcomes.of(Status{Source: int(s.Peer), Tag: Tag(h.Tag), Count: n}, nil))
	return true
}

// unfold makes a request of a slip. Called with rk.mu held.
func (rk *Rank) unfold(s *match.Slip) *match.Recv {
	h := s.Owner.(*Handle)
	r := rk.spare()
	r.receive(h.at.Load().slip, Op(s.Op), int(s.Peer), Tag(s.Tag), Payload{Bytes: s.Buf, Elem: Signature(s.Elem), Size: s.Size})
	s.Buf, s.Owner = nil, nil
	spin.StorePointer(&h.at, &r.own)
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

// expect polls for a moment, or until all slips of hs are over.
func (p *Proc) expect(hs []*Handle) {
	if p.takeToken() {
		p.expected = slips{hs: hs}
		p.look(&p.expected)
		p.expected = slips{}
		p.releaseToken()
	}
}
