package engine

import (
	"context"
	"runtime"
	"sync/atomic"

	"gridrun/internal/spin"
)

// A Handle is what a program holds of a transfer that it has started: one word.
// The Request behind it is recycled as soon as the transfer is known to be over;
// the outcome stays for as long as somebody asks. Handles are made by the slab, and
// outcomes that are alike share their memory, so a steady exchange makes next to
// no garbage.
type Handle struct {
	// at is the Request's own outcome while the transfer is under way, inUse while
	// a goroutine waits for it or tests it, and then the outcome. Before all that it
	// may be the slipped of a group (slip.go).
	at atomic.Pointer[outcome]
}

// An outcome is how a transfer ended.
type outcome struct {
	r      *Request // not known to be over yet
	slip   *Comm    // likewise, without a request
	status Status
	err    error
}

// slab is how many handles are made at a time.
const slab = 64

var (
	inUse = new(outcome)
	// sent is the handle of every send that was complete at once.
	sent = func() *Handle {
		h := new(Handle)
		h.at.Store(new(outcome))
		return h
	}()
)

// outcomes are those that transfers of a group had lately.
type outcomes [16]atomic.Pointer[outcome]

// of returns an outcome that nobody changes.
func (o *outcomes) of(st Status, err error) *outcome {
	if err != nil {
		return &outcome{status: st, err: err}
	}
	at := &o[uint(st.Source+int(st.Tag)*5+st.Count*3)%uint(len(o))]
	if last := at.Load(); last != nil && last.status == st {
		return last
	}
	out := &outcome{status: st}
	at.Store(out)
	return out
}

// handle makes r, which nobody else knows, a user's. r is not to be used then.
func (r *Request) handle() *Handle {
	if r.kind == sending && r.ready() && r.began == 0 && r.err == nil {
		r.free()
		return sent
	}
	r.rank.mu.Lock()
	h := r.rank.handle(r)
	r.rank.mu.Unlock()
	h.look(r)
	return h
}

// handle returns a new Handle of r. Called with rk.mu held.
func (rk *Rank) handle(r *Request) *Handle {
	h := rk.blank()
	spin.StorePointer(&h.at, &r.own)
	return h
}

func (rk *Rank) blank() *Handle {
	if len(rk.slab) == 0 {
		rk.slab = make([]Handle, slab)
	}
	h := &rk.slab[0]
	rk.slab = rk.slab[1:]
	return h
}

// look settles a transfer that is over when its handle is made.
func (h *Handle) look(r *Request) {
	if r.ready() && r.began == 0 {
		h.settle(r, r.status, r.wrap(r.err))
	}
}

// settle ends the use of a request that is over.
func (h *Handle) settle(r *Request, st Status, err error) {
	spin.StorePointer(&h.at, r.comm.outcomes.of(st, err))
	r.free()
}

// take has the caller use the request until it stores what is to follow; nil when
// the transfer is over, as o says, or, o == inUse, another goroutine uses it.
func (h *Handle) take() (r *Request, o *outcome) {
	if o = h.at.Load(); o.slip != nil {
		o.slip.rank.unfoldAll()
	}
	if o = h.at.Load(); o.r != nil && h.at.CompareAndSwap(o, inUse) {
		return o.r, o
	} else if o.r != nil {
		return nil, inUse
	}
	return nil, o
}

// ISend starts sending x to rank dst of the group.
func (c *Comm) ISend(ctx context.Context, op Op, dst int, tag Tag, x Payload) (*Handle, error) {
	if ctx.Err() == nil && c.SendShort(op, dst, tag, x.Elem, x.Bytes) {
		return sent, nil
	}
	r, err := c.Send(ctx, op, dst, tag, x)
	if err != nil {
		return nil, err
	}
	return r.handle(), nil
}

// IRecv starts receiving into x.Bytes from rank src, or AnyRank.
func (c *Comm) IRecv(ctx context.Context, op Op, src int, tag Tag, x Payload) (*Handle, error) {
	if h := c.slip(ctx, op, src, tag, x); h != nil {
		return h, nil
	}
	if c.checkPeer(op, src, tag, true) != nil || c.checkTag(op, tag, true) != nil || ctx.Err() != nil {
		_, err := c.Recv(ctx, op, src, tag, x, false)
		return nil, err
	}
	rk := c.rank
	began := rk.clock()
	rk.mu.Lock()
	r := rk.spare()
	h := rk.handle(r)
	r.receive(c, op, src, tag, x)
	r.began = began
	r.offer()
	h.look(r)
	return h, nil
}

// Wait returns when the transfer is over. A ctx that ends first takes a
// transfer back that is not yet matched.
func (h *Handle) Wait(ctx context.Context) (Status, error) {
	if o := h.at.Load(); o.slip != nil {
		hs := [1]*Handle{h}
		o.slip.rank.expect(ctx, hs[:])
	}
	for {
		r, o := h.take()
		switch {
		case r != nil:
			st, err := r.Wait(ctx)
			h.settle(r, st, err)
			return st, err
		case o != inUse:
			return o.status, o.err
		case ctx.Err() != nil: // another goroutine waits for it, with a ctx of its own
			return Status{}, &Error{Op: OpWait.String(), Rank: AnyRank, Peer: AnyRank, Tag: AnyTag, Err: errEnded(ctx)}
		}
		runtime.Gosched()
	}
}

// Test says whether the transfer is over, without waiting.
func (h *Handle) Test() (st Status, done bool, err error) {
	if o := h.at.Load(); o.slip != nil {
		if o.slip.rank.proc.pollOnce(); h.at.Load() == o {
			return Status{}, false, nil
		}
	}
	r, o := h.take()
	switch {
	case r == nil && o == inUse:
		return Status{}, false, nil
	case r == nil:
		return o.status, true, o.err
	}
	if st, done, err = r.Test(); done {
		h.settle(r, st, err)
	} else {
		h.at.Store(o)
	}
	return st, done, err
}

// WaitAll waits for every transfer and returns the first error in their order.
func WaitAll(ctx context.Context, hs ...*Handle) error {
	var first error
	var done spares
	for i, h := range hs {
		if h == nil || h == sent {
			continue
		}
		o := h.at.Load()
		if o.slip != nil {
			o.slip.rank.expect(ctx, hs[i:])
			o = h.at.Load()
		}
		if o.r == nil && o.slip == nil && o != inUse {
			if o.err != nil && first == nil {
				first = o.err
			}
			continue
		}
		r, _ := h.take()
		if r == nil {
			if _, err := h.Wait(ctx); err != nil && first == nil {
				first = err
			}
			continue
		}
		var st Status
		var err error
		if !r.ready() || r.err != nil || r.began != 0 {
			st, err = r.Wait(ctx)
		} else {
			st = r.status
		}
		spin.StorePointer(&h.at, r.comm.outcomes.of(st, err))
		done.add(r)
		if err != nil && first == nil {
			first = err
		}
	}
	done.free()
	return first
}

// WaitAny waits until one of the transfers is over; nil ones are passed over.
// index is -1 when there is none to wait for, or ctx has ended: then all of them
// are still the caller's to wait for.
func WaitAny(ctx context.Context, hs ...*Handle) (index int, st Status, err error) {
	for {
		index, st, err = waitAny(ctx, hs)
		if index != othersUse {
			return index, st, err
		}
		if ctx.Err() != nil {
			return -1, Status{}, &Error{Op: OpWait.String(), Rank: AnyRank, Peer: AnyRank, Tag: AnyTag, Err: errEnded(ctx)}
		}
		runtime.Gosched()
	}
}

// othersUse is waitAny's index when other goroutines wait for all that there are.
const othersUse = -2

func waitAny(ctx context.Context, hs []*Handle) (int, Status, error) {
	mine := make(anyOf, len(hs)) // those that this goroutine uses
	var rk *Rank
	index, over := -1, (*outcome)(nil)
	for i, h := range hs {
		if h == nil {
			continue
		}
		r, o := h.take()
		if r != nil {
			mine[i], rk = r, r.rank
		} else if o == inUse {
			if rk == nil {
				index = othersUse
			}
			continue
		}
		if r == nil || r.ready() {
			index, over = i, o
			break
		}
	}
	var err error
	if over == nil && rk != nil {
		began := rk.clock()
		if err = rk.await(ctx, mine); err == nil {
			index = mine.index()
			if r := mine[index]; r.began != 0 {
				r.began = began
			}
		} else {
			index = -1
			err = &Error{Op: OpWait.String(), Rank: rk.world, Peer: AnyRank, Tag: AnyTag, Err: err}
		}
	}
	for i, r := range mine {
		if r != nil && i != index {
			hs[i].at.Store(&r.own)
		}
	}
	if index < 0 {
		return index, Status{}, err
	}
	if r := mine[index]; r != nil {
		if r.began != 0 {
			r.record()
		}
		st, err := r.status, r.wrap(r.err)
		hs[index].settle(r, st, err)
		return index, st, err
	}
	return index, over.status, over.err
}
