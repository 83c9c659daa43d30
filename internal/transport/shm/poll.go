package shm

import (
	"fmt"
	"math/bits"
	"sync/atomic"

	"gridrun/internal/spin"
	"gridrun/internal/wire"
)

// maxWatched is how many processes of a host look at one another's rings, all of
// them at every Poll; more, or those that share processors, look at their ready
// words only.
const maxWatched = 16

// Poll implements transport.Poller. It serves each peer whose ready bit is set
// once, and each watched one that has sent, so its work is bounded by a ring a
// peer.
func (n *Net) Poll() int {
	if n.closing.Load() || !n.any() {
		return 0
	}
	return n.work()
}

func (n *Net) work() int {
	count := 0
	watched := n.watched.Load()
	for w := watched; w != 0; w &= w - 1 {
		if p := n.peers[bits.TrailingZeros64(w)].Load(); p.pending() {
			count += n.serve(p)
		}
	}
	for i := range n.ready {
		w := atomic.LoadUint64(&n.ready[i])
		if i == 0 {
			w &^= watched
		}
		if w == 0 {
			continue
		}
		for atomic.AndUint64(&n.ready[i], ^w); w != 0; w &= w - 1 {
			if j := 64*i + bits.TrailingZeros64(w); j < n.seg.procs {
				count += n.serve(n.peer(j))
			}
		}
	}
	return count
}

// watch has Poll look at p's ring from now on. The ready bit stays set: p need not
// signal any more, only ring those armed.
func (n *Net) watch(p *peer) {
	if n.seg.fewProcs() {
		atomic.OrUint64(&n.ready[0], 1<<p.local)
		n.watched.Or(1 << p.local)
	}
}

// pending tells whether a watched peer has sent something, or there is room to
// send it what is queued, or p.call was.
func (p *peer) pending() bool {
	switch {
	case p.in.first(atomic.LoadUint64(&p.at)) != 0, p.alert.Load():
		return true
	case p.out.blocked.Load():
		return atomic.LoadUint32(&p.out.ctl.waiting) == 0 || p.gone()
	}
	return false
}

// serve takes in what p had published by now, and moves on what is queued for
// it. Whatever p publishes later sets the ready bit anew.
func (n *Net) serve(p *peer) int {
	if p.down {
		return 0
	}
	if p.alert.Load() {
		p.alert.Store(false)
	}
	killed := p.killed.Load() // before the ring: what p sent first is delivered first
	most := burst
	if killed != nil {
		most = ringSize // all that there is
	}
	count, err := n.drain(p, most)
	if err != nil {
		p.spoilt(err)
		killed = p.killed.Load()
	}
	switch {
	case killed != nil:
		p.down = true
		n.watched.And(^(uint64(1) << p.local))
		p.fail(*killed)
		n.sink.Down(p.proc, *killed)
	case p.out.blocked.Load() && p.gone():
		p.fail(fmt.Errorf("process %d: %w", p.proc, ErrLeft))
	case p.out.blocked.Load():
		count += p.pump()
	}
	return count
}

// drain delivers the records that p has published, up to about so many bytes of them.
func (n *Net) drain(p *peer, most int) (int, error) {
	r := &p.in
	if r.ctl == nil {
		found, ok, err := n.seg.find(p.local, n.self)
		if !ok {
			return 0, err
		}
		r.ring = found
		p.inbox.Store(found.ctl)
		n.watch(p)
	}
	count, taken := 0, 0
	for {
		if taken >= most { // others have their turn
			spin.Store(&p.at, r.head)
			p.call()
			return count, nil
		}
		k, size, err := n.gather(r)
		if k > 0 {
			n.batch.ArrivedAll(p.proc, n.heads[:k], n.bodies[:k])
			r.skip(size)
			taken += size
			count += k
			n.give(p)
		}
		if err != nil {
			return count, err
		}
		if k == batchMax {
			continue
		}
		body, size, err := r.next(&n.h)
		if size == 0 {
			if r.head-r.given >= publishEvery { // a mark was passed over
				n.give(p)
			}
			spin.Store(&p.at, r.head)
			return count, err
		}
		n.deliver(p.proc, body)
		r.skip(size)
		taken += size
		count++
		n.give(p)
	}
}

const (
	// batchMax is how many short records are delivered together, of batchBody
	// bytes at most.
	batchMax  = 16
	batchBody = 256
)

// gather decodes the short records at the head, which stay, and returns how many
// there are and how much room they take.
func (n *Net) gather(r *reader) (k, size int, err error) {
	if n.batch == nil {
		return 0, 0, nil
	}
	for pos := int(r.head % ringSize); k < batchMax && pos+size < ringSize; k++ {
		first := r.first(r.head + uint64(size))
		if first == 0 || !briefly(first) {
			break
		}
		body, m, err := decode(first, r.data[pos+size:], &n.heads[k])
		if err != nil {
			return k, size, err
		}
		n.bodies[k] = body
		if size += m; k%4 == 1 { // more are likely to be there, and far away
			spin.Fetch(r.word(r.head + uint64(size)))
		}
	}
	return k, size, nil
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
