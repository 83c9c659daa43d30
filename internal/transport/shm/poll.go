package shm

import (
	"fmt"
	"math/bits"
	"sync/atomic"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// Poll implements transport.Poller. It serves each peer whose ready bit is set
// once, so its work is bounded by a ring a peer.
func (n *Net) Poll() int {
	if n.closing.Load() || !n.any() {
		return 0
	}
	n.poller.Lock()
	defer n.poller.Unlock()
	if n.closing.Load() {
		return 0
	}
	return n.work()
}

func (n *Net) work() int {
	count := 0
	for i := range n.ready {
		if atomic.LoadUint64(&n.ready[i]) == 0 {
			continue
		}
		for w := atomic.SwapUint64(&n.ready[i], 0); w != 0; w &= w - 1 {
			if j := 64*i + bits.TrailingZeros64(w); j < n.seg.procs {
				count += n.serve(n.peer(j))
			}
		}
	}
	return count
}

// serve takes in what p had published by now, and moves on what is queued for
// it. Whatever p publishes later sets the ready bit anew.
func (n *Net) serve(p *peer) int {
	if p.down {
		return 0
	}
	killed := p.killed.Load() // before the ring: what p sent first is delivered first
	count, err := n.drain(p)
	if err != nil {
		p.spoilt(err)
		killed = p.killed.Load()
	}
	switch {
	case killed != nil:
		p.down = true
		p.fail(*killed)
		n.sink.Down(p.proc, *killed)
	case p.out.blocked.Load() && p.gone():
		p.fail(fmt.Errorf("process %d: %w", p.proc, ErrLeft))
	case p.out.blocked.Load():
		count += p.pump()
	}
	return count
}

// drain delivers the records that p has published.
func (n *Net) drain(p *peer) (int, error) {
	r := &p.in
	if r.ctl == nil {
		found, ok, err := n.seg.find(p.local, n.self)
		if !ok {
			return 0, err
		}
		r.ring = found
	}
	tail, err := r.published()
	if err != nil {
		return 0, err
	}
	count := 0
	for {
		body, ok, err := r.next(tail, &n.h)
		if !ok {
			n.give(p)
			return count, err
		}
		size := len(body)
		if n.h.Kind != wire.Data && size > transport.EagerMax {
			return count, fmt.Errorf("shared ring: %w: %v with a body of %d bytes", wire.ErrFrame, n.h.Kind, size)
		}
		n.deliver(p.proc, body)
		r.skip(size)
		count++
		if r.head-r.given >= publishEvery {
			n.give(p)
		}
	}
}

func (n *Net) deliver(from int, body []byte) {
	if n.h.Kind != wire.Data {
		n.sink.Arrived(from, &n.h, body)
		return
	}
	dst := n.sink.Place(from, &n.h)
	if dst == nil && len(body) > 0 {
		return // the sink drops it
	}
	copy(dst, body)
	n.sink.Placed(from, &n.h)
}

// give returns room to p, and rings it if it waits for that.
func (n *Net) give(p *peer) {
	if p.in.give() {
		n.seg.slot(p.local).signal(n.self)
	}
}
