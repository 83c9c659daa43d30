package engine

import (
	"fmt"
	"sync"
	"unsafe"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// How a message travels:
//
//	short, with credit (window.go)  Eager ->
//	else, or SSend                  RTS ->   <- CTS   Data -> (in pieces)
//	  where the receiver can pull   RTS ->   it copies   <- CTS: done
//	up to 256 KiB, crowded (stored.go)  copied to a store, Stored ->   copied from there
//
//	in one process (here.go)        copied at once if a receive waits for it,
//	                                else, if it is no short one: lent, or RTS
//	                                whose receiver copies from the request's memory
//
// The envelopes of a pair of ranks (Eager, RTS and Stored) pass through one link in the
// order of posting, so matching sees them in the order of sending.

// control posts a frame without a body. Its Src is filled in.
func (rk *Rank) control(h *wire.Header) {
	f := controls.Get().(*transport.Frame)
	f.Header = *h
	f.Src = int32(rk.world)
	rk.proc.post(f)
}

var controls = sync.Pool{New: func() any { return new(transport.Frame) }}

func (p *Proc) post(f *transport.Frame) { p.routes[p.Topology.RankProc[f.Dst]].Post(f) }

// Sent implements transport.Sink: frames without an owner are control frames;
// what a lost one meant is settled by Down.
func (p *Proc) Sent(f *transport.Frame, err error) {
	r, _ := f.Owner.(*Request)
	if r == nil {
		*f = transport.Frame{}
		controls.Put(f)
		return
	}
	if err != nil {
		if lost := p.lostError(int(r.peer)); lost != nil {
			err = lost
		} else { // the network knows before the engine does
			err = fmt.Errorf("%w: rank %d: %v", ErrPeerLost, r.peer, err)
		}
	}
	r.finish(err)
}

// start sends r's message.
func (r *Request) start() {
	rk := r.rank
	p := rk.proc
	h := wire.Header{
		Op:    uint8(r.op),
		Src:   int32(rk.world),
		Dst:   r.peer,
		Group: r.comm.id,
		Tag:   int32(r.tag),
		Elem:  uint32(r.elem),
		Len:   uint64(len(r.buf)),
	}
	if r.call != nil {
		h.Op, h.Seq, h.Flags = uint8(r.call.op), r.call.seq, r.call.flags
		h.Group |= collective
	}
	rk.mu.Lock()
	if err := rk.refuse(r); err != nil {
		rk.mu.Unlock()
		r.finish(err)
		return
	}
	if rk.rec != nil {
		rk.rec.Sent(h.Op, rk.proc.class(r.peer), len(r.buf))
		if r.began != 0 { // the arrow of a timeline leads from here to who receives this number
			r.msg = rk.id()
			h.Send = r.msg
		}
	}
	if to := p.ranks[r.peer]; to != nil {
		rk.mu.Unlock()
		h.Kind, h.Body = wire.Eager, uint32(len(r.buf))
		if to.deliver(&h, r.buf, !r.sync) {
			r.finish(nil)
			return
		}
		rk.mu.Lock()
		if err := rk.refuse(r); err != nil { // meanwhile
			rk.mu.Unlock()
			r.finish(err)
			return
		}
	}
	pe := rk.peer(r.peer)
	h.Credit, pe.owed = pe.owed, 0
	if !r.sync && !pe.here && pe.affords(len(r.buf)) {
		rk.mu.Unlock()
		h.Kind = wire.Eager
		r.frame.Header, r.frame.Body, r.frame.Owner = h, r.buf, r
		p.post(&r.frame)
		return
	}
	if pe.store != nil && !r.sync && len(r.buf) <= p.storeMax {
		rk.mu.Unlock()
		if at, ok := pe.store.Store(r.buf); ok {
			h.Kind, h.Off = wire.Stored, at
			rk.control(&h)
			r.finish(nil)
			return
		}
		rk.mu.Lock()
		if err := rk.refuse(r); err != nil {
			pe.owed += h.Credit
			rk.mu.Unlock()
			r.finish(err)
			return
		}
	}
	if pe.put != nil {
		rk.mu.Unlock()
		if r.put(&h, pe.put) {
			return
		}
		rk.mu.Lock()
		err := rk.refuse(r)
		if h.Recv != 0 { // its receiver counts on it, whatever the group
			err = p.lostError(int(r.peer))
		}
		if err != nil {
			pe.owed += h.Credit // no frame takes it along
			rk.mu.Unlock()
			r.finish(err)
			return
		}
	}
	if r.id = r.msg; r.id == 0 {
		r.id = rk.id()
	}
	if len(r.buf) > 0 && p.pulls[p.Topology.RankProc[r.peer]] != nil {
		r.offered = true
		h.Off = uint64(uintptr(unsafe.Pointer(&r.buf[0])))
	}
	rk.sends[r.id] = r
	rk.mu.Unlock()
	h.Kind, h.Send = wire.RTS, r.id
	rk.control(&h)
}

// refuse says why r must not even start. Called with rk.mu held.
func (rk *Rank) refuse(r *Request) error {
	if r.comm.state.revoked != nil {
		return r.comm.state.revoked
	}
	if r.peer >= 0 {
		return rk.proc.lostError(int(r.peer))
	}
	return nil
}

// clearedToSend answers a CTS.
func (rk *Rank) clearedToSend(h *wire.Header) {
	rk.mu.Lock()
	r := rk.sends[h.Send]
	if r == nil || r.peer != h.Src {
		var cause error
		if g := rk.groups[h.Group&^collective]; g != nil {
			cause = g.revoked
		}
		rk.mu.Unlock()
		if h.Recv != 0 {
			if cause != nil { // Cancelled alone would be an end without a cause
				rk.tellRevoked(int(h.Src), h.Group&^collective, cause)
			}
			rk.control(&wire.Header{Kind: wire.Cancelled, Dst: h.Src, Recv: h.Recv})
		}
		return
	}
	delete(rk.sends, h.Send)
	rk.mu.Unlock()
	if h.Recv == 0 { // the receiver has taken the envelope and does not want the data
		r.finish(nil)
		return
	}
	r.frame = transport.Frame{
		Header: wire.Header{Kind: wire.Data, Src: int32(rk.world), Dst: r.peer, Len: uint64(len(r.buf)), Recv: h.Recv},
		Body:   r.buf,
		Owner:  r,
	}
	rk.proc.post(&r.frame)
}

// takeBack ends a request whose waiter's ctx has ended with err: at once when
// nothing has matched yet, else with the transfer.
func (rk *Rank) takeBack(r *Request, err error) {
	rk.mu.Lock()
	switch {
	case r.ready():
		rk.mu.Unlock()
		return
	case r.kind == receiving && rk.cancel(r), r.kind == probing && rk.dropProbe(r):
		rk.mu.Unlock()
		r.finish(err)
		return
	case r.kind == sending && r.id != 0 && rk.sends[r.id] == r:
		// The peer decides: Cancelled, or CTS if it had matched.
		first := r.canceled == nil
		r.canceled = err
		rk.mu.Unlock()
		if first {
			rk.control(&wire.Header{Kind: wire.Cancel, Dst: r.peer, Send: r.id})
		}
	default:
		rk.mu.Unlock()
	}
	rk.await(never, r)
}
