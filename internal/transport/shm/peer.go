package shm

import (
	"fmt"
	"sync/atomic"

	"gridrun/internal/bias"
	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

const (
	// pieceMax cuts Data: the receiver copies one piece while the next is
	// written, and a ring holds several.
	pieceMax = 8 << 10
	// pieceMin is the least worth cutting off because the end of the ring is near.
	pieceMin = 1 << 10
	// burst is about how many bytes one Post or Poll writes to a peer that reads
	// as fast: then others have their turn.
	burst = 2 * ringLeast
	// many is how many records to one peer make it worth to do without fences.
	many = 5000
)

// peer is another process of the host: the transport.Link to it and what comes
// from it.
type peer struct {
	net   *Net
	local int // index in the segment
	slot  *slot
	proc  int

	mu          bias.Mutex // guards the sending half
	out         writer     // out.ctl is nil before the first frame
	first, last *transport.Frame
	err         error // once set, every Post fails with it

	reach atomic.Uint32 // what is known of Pull

	killed atomic.Pointer[error] // Kill has been called, or the pair is broken; Poll finishes it
	alert  atomic.Bool           // Poll is to serve this peer, whatever its ring holds

	sent int // records, until they are many
	// The receiving half belongs to the poller.
	in   reader // in.ctl is nil before the peer has sent anything
	down bool
	// at is in.head as those see it who look without polling.
	at uint64
	// inbox is in.ctl, likewise.
	inbox atomic.Pointer[control]
	// told is the tail behind the last envelope sent; with mu.
	told uint64
}

// call has the next Poll serve p.
func (p *peer) call() {
	p.alert.Store(true)
	p.net.own.signal(p.local)
}

// Post implements transport.Link.
func (p *peer) Post(f *transport.Frame) {
	f.Next, f.Done = nil, 0
	var sent bool
	p.mu.Lock()
	err := p.err
	if err == nil && f.Kind != wire.Data && len(f.Body) > transport.EagerMax {
		err = fmt.Errorf("%v frame of %d bytes to process %d, the most is %d", f.Kind, len(f.Body), p.proc, transport.EagerMax)
	}
	switch {
	case err != nil:
	case p.first != nil:
		p.last.Next = f
		p.last = f
	default:
		sent = p.push(f, p.out.tail+burst)
		if sent {
			p.settled()
		} else {
			p.first, p.last = f, f
			// A peer that has left rings once, when it leaves: either it sees
			// the ring that f waits for, or this sees its state.
			if p.gone() {
				p.call()
			}
		}
	}
	p.mu.Unlock()
	if sent || err != nil {
		p.net.sink.Sent(f, err)
	}
}

// Push implements transport.Pusher.
func (p *peer) Push(what, ranks, group, tags, counts uint64, body []byte) bool {
	p.mu.Lock()
	if p.err != nil || p.first != nil || p.out.ctl == nil {
		p.mu.Unlock()
		return false
	}
	before := p.out.tail
	lazily := p.net.lazy(p.slot)
	size := shortSize(len(body))
	b, err := p.out.reserve(size, lazily)
	if b != nil {
		first := uint64(len(body)) | uint64(wire.Eager)<<32 | what<<40
		encodeShort(b, ranks, group, tags, counts, body)
		p.out.publish(size, first, lazily)
		p.told = p.out.tail
		p.counted()
	} else {
		if err != nil {
			p.spoilt(err)
		}
		p.full()
		p.settled() // nothing is queued
	}
	if p.out.tail != before {
		p.slot.signal(p.net.self)
	}
	p.mu.Unlock()
	return b != nil
}

// counted counts a record.
func (p *peer) counted() {
	if p.sent++; p.sent == many {
		p.net.beFenced()
	}
}

// gone tells whether the process has closed its end, or has ended.
func (p *peer) gone() bool {
	state := atomic.LoadUint32(&p.slot.state)
	return state == left || state == dead
}

// pump moves queued frames on and returns how many went out, at least 1 if any
// byte did. Sent is called without the lock, since it may Post.
func (p *peer) pump() int {
	p.mu.Lock()
	done := p.first
	var end *transport.Frame // the last one that went out
	count := 0
	start := p.out.tail
	for p.first != nil && p.push(p.first, start+burst) {
		end = p.first
		p.first = end.Next
		count++
	}
	if end == nil {
		if p.out.tail != start {
			count = 1
		}
		p.mu.Unlock()
		return count
	}
	end.Next = nil
	if p.first == nil {
		p.last = nil
		p.settled()
	}
	p.mu.Unlock()
	p.net.giveBack(done, nil)
	return count
}

// fail makes every Post fail with err, unless it already fails with another
// error, and gives back what is queued.
func (p *peer) fail(err error) {
	p.mu.Lock()
	if p.err == nil {
		p.err = err
	}
	err = p.err
	f := p.first
	p.first, p.last = nil, nil
	p.settled()
	p.mu.Unlock()
	p.net.giveBack(f, err)
}

// giveBack calls Sent for a list of frames.
func (n *Net) giveBack(f *transport.Frame, err error) {
	for f != nil {
		next := f.Next
		f.Next = nil
		n.sink.Sent(f, err)
		f = next
	}
}

// push writes as much of f as there is room for, until the tail is at limit, and
// reports whether that was all. It is called with mu held. When the receiver has
// spoilt the ring, the frame stays and the poller takes the link down.
func (p *peer) push(f *transport.Frame, limit uint64) bool {
	done, err := p.write(f, limit)
	if err != nil {
		p.spoilt(err)
		return false
	}
	return done
}

func (p *peer) write(f *transport.Frame, limit uint64) (bool, error) {
	if p.out.ctl == nil {
		r, err := p.net.seg.claim(p.net.self, p.local)
		if err != nil {
			return false, err
		}
		p.out.ring, p.out.limit = r, ringLeast
	}
	if p.out.tail >= limit {
		return p.later()
	}
	if f.Kind != wire.Data {
		return p.record(&f.Header, f.Body)
	}
	// An empty message is one empty piece.
	h := f.Header
	for {
		left := len(f.Body) - f.Done
		size := min(left, pieceMax)
		if rest := p.out.rest() - bodyAt(longHeader, bulky); rest >= pieceMin {
			size = min(size, rest)
		}
		h.Off = f.Off + uint64(f.Done)
		if ok, err := p.record(&h, f.Body[f.Done:f.Done+size]); !ok {
			return false, err
		}
		f.Done += size
		if f.Done == len(f.Body) {
			return true, nil
		}
		if p.out.tail >= limit {
			return p.later()
		}
	}
}

// settled says that nothing is queued; called with mu held.
func (p *peer) settled() {
	if p.out.blocked.Load() {
		p.out.blocked.Store(false)
	}
}

// later leaves the rest to the next Poll, though there may be room.
func (p *peer) later() (bool, error) {
	p.out.blocked.Store(true)
	p.call()
	return false, nil
}

// record writes one record and signals the receiver; false when there is no room.
func (p *peer) record(h *wire.Header, body []byte) (bool, error) {
	before := p.out.tail
	size := sizeOf(h, len(body))
	lazily := p.net.lazy(p.slot)
	b, err := p.out.reserve(size, lazily)
	if b != nil {
		h.Body = uint32(len(body))
		p.out.publish(size, encode(b, h, body), lazily)
		if h.Kind.Envelope() {
			p.told = p.out.tail
		}
		p.counted()
	} else if h.Kind != wire.Data { // which both ends copy at the same time, in any ring
		p.full()
	}
	if p.out.tail != before {
		p.slot.signal(p.net.self)
	}
	return b != nil, err
}

// full uses more of the ring if that is likely to be worth its memory. Called with mu
// held.
func (p *peer) full() {
	few := p.net.seg.procs <= maxWatched
	if p.out.full() && (few && p.out.limit < ringSize || !few && p.out.limit < ringMany && p.net.grown.Add(1) <= grownMany) {
		p.out.limit *= 2
	}
}

// spoilt has the poller take the pair down; the first reason counts.
func (p *peer) spoilt(err error) {
	err = fmt.Errorf("process %d: %w", p.proc, err)
	p.killed.CompareAndSwap(nil, &err)
	p.call()
}
