package engine

import (
	"time"
	"unsafe"

	"gridrun/internal/engine/match"
	"gridrun/internal/spin"
	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// A receive of a long message that waits while its process computes is completed by
// its sender alone (transport.Putter): the thread that would serve it there has to get
// a processor from the one that computes, which takes milliseconds at worst.
//
//  1. A receive from one rank of another process of the host, with a tag, is shown to
//     that process when it is posted and nothing has come for it, if it would be the
//     first to be matched.
//  2. A sender that sees nobody wait in the receiver's process for a moment takes it,
//     writes the message to where it belongs, and sends Put instead of RTS. The moment
//     is as long as what it saves costs: who has posted a receive mostly sends next, or
//     packs what it sends, and then waits. Meanwhile the sender serves its own peers:
//     to two that exchange messages each must look like one that waits.
//  3. Whatever takes the receive out of the queue here hides it first. If its sender
//     was faster, the receive has been matched: it waits for Put among those whose
//     data is on its way. A sender that cannot write sends an RTS with its number.

// show shows r, which has been queued, to the process that it waits for. Called with
// rk.mu held.
func (rk *Rank) show(r *Request) {
	if r.peer < 0 || r.tag < 0 || r.call != nil || r.alloc || r.kind != receiving {
		return
	}
	pe := rk.peer(r.peer)
	if pe.put == nil || rk.queues.First(r.recv.Group, r.recv.Src, r.recv.Tag) != &r.recv {
		return
	}
	o := transport.Shown{
		ID:    rk.proc.shows.Add(1),
		Group: r.recv.Group, Src: r.peer, Dst: int32(rk.world), Tag: r.recv.Tag, Elem: uint32(r.elem),
		Addr: uint64(uintptr(unsafe.Pointer(&r.buf[0]))), Len: uint64(len(r.buf)),
	}
	if pe.put.Show(o) {
		r.id, r.shown = o.ID|shownID, pe.put
		rk.shown[r.id] = r
	}
}

// shownID makes a receive's number in rk.shown another than all in rk.recvs.
const shownID = 1 << 63

// hide takes back what show has shown of r, which has left the queue. False: its
// sender has taken it, and it waits for what that sends. Called with rk.mu held.
func (rk *Rank) hide(r *Request) bool {
	if r.shown == nil {
		return true
	}
	if r.shown.Hide(r.id &^ shownID) {
		delete(rk.shown, r.id)
		r.shown, r.id = nil, 0
		return true
	}
	rk.recvs[r.id] = r
	return false
}

// take removes and returns the receive that a message goes to, or nil. Called with
// rk.mu held.
func (rk *Rank) take(h *wire.Header) *match.Recv {
	for {
		rv := rk.queues.Take(h.Group, h.Src, h.Tag)
		if rv == nil || rk.hide(rv.Value.(*Request)) {
			return rv
		}
	}
}

// cancel takes r out of the queue and says whether it was there for the caller to
// finish. Called with rk.mu held.
func (rk *Rank) cancel(r *Request) bool { return rk.queues.Cancel(&r.recv) && rk.hide(r) }

// taken returns the receive that the sender of h has taken, out of all tables, or nil.
// Called with rk.mu held.
func (rk *Rank) taken(h *wire.Header) *Request {
	r := rk.shown[h.Recv]
	if r == nil || r.peer != h.Src || h.Len > uint64(len(r.buf)) {
		return nil
	}
	delete(rk.shown, h.Recv)
	rk.queues.Cancel(&r.recv)
	delete(rk.recvs, h.Recv)
	r.shown.Forget(r.id &^ shownID)
	r.shown = nil
	return r
}

// filled completes a receive whose sender has written the message.
func (rk *Rank) filled(h *wire.Header) {
	rk.mu.Lock()
	r := rk.taken(h)
	rk.mu.Unlock()
	if r != nil {
		r.see(h)
		r.msg = h.Send
		r.finish(nil)
	}
}

const (
	// putCost is what a write to another process's memory costs before the first byte.
	putCost = 5 * time.Microsecond
	// putSpeed is in bytes a nanosecond, and longest the most that is waited.
	putSpeed = 16
	longest  = 25 * time.Microsecond
)

// attended tells whether a goroutine waits in the process at the other end, or begins
// to within patience.
func (p *Proc) attended(to transport.Putter, patience time.Duration) bool {
	if to.Attended() {
		return true
	}
	if p.takeToken() {
		defer p.releaseToken()
	} else {
		patience = 0 // another goroutine's time
	}
	for began, i := time.Now(), 0; i < attentionLooks || i%8 != 0 || time.Since(began) < min(patience, longest); i++ {
		if patience > 0 {
			p.poller.Poll()
		}
		if to.Attended() {
			return true
		}
		spin.Pause()
	}
	return false
}

// put completes r, a send of the message h, if its receive is shown here and nobody
// would answer there. Where none is shown it returns at once. False: it has to be
// announced; h.Recv, if set, is the number of the receive that it is for.
func (r *Request) put(h *wire.Header, to transport.Putter) bool {
	if !to.Shows(*h) || r.rank.proc.attended(to, putCost+time.Duration(len(r.buf))/putSpeed) {
		return false
	}
	o, ok := to.Take(*h)
	if !ok {
		return false
	}
	h.Recv = o.ID | shownID
	if !to.Put(r.buf, o.Addr) {
		return false
	}
	h.Kind = wire.Put
	r.rank.control(h)
	r.finish(nil)
	return true
}
