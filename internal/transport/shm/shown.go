package shm

import (
	"sync/atomic"
	"unsafe"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// A receive that waits in a process where nobody polls is completed by its sender
// alone (transport.Putter). The receiver shows it beside the ring that leads to it:
//
//	receiver   free -> filling -> open -> free       Show, Hide
//	sender                        open -> taken      Take, under the lock of its half
//	receiver                              taken -> free   Forget, when the sender's frame has come
//
// The two meet in one compare-and-swap of state, which holds the receive's number: a
// number is never used twice, so what the sender has read of the receive before it
// is what the receiver had shown with that number.
//
// A message must not overtake another of the same pair: after says how much of the
// ring the receiver had taken in when it posted the receive, and the sender leaves it
// alone if it has sent an envelope since.
type shown struct {
	state uint64 // one of the states below, with the receive's number where it is open or taken
	after uint64
	transport.Shown
	_ [2*line - 16 - unsafe.Sizeof(transport.Shown{})]byte
}

const (
	// shownMost is how many receives one process can show another at a time.
	shownMost = 4

	isFree    = 0
	isFilling = 1
	// Of a number, in the lowest bits.
	isOpen   = 2
	isTaken  = 3
	idShift  = 2
	stateLow = 1<<idShift - 1
)

// Show implements transport.Putter.
func (p *peer) Show(o transport.Shown) bool {
	ctl := p.inbox.Load()
	if ctl == nil || p.reach.Load() == unreachable {
		return false
	}
	for i := range ctl.shown {
		s := &ctl.shown[i]
		if atomic.LoadUint64(&s.state) == isFree && atomic.CompareAndSwapUint64(&s.state, isFree, isFilling) {
			s.Shown = o
			s.after = atomic.LoadUint64(&p.at)
			atomic.SwapUint64(&s.state, o.ID<<idShift|isOpen)
			return true
		}
	}
	return false
}

// Hide implements transport.Putter.
func (p *peer) Hide(id uint64) bool { return p.swap(id<<idShift|isOpen, isFree) }

// Forget implements transport.Putter.
func (p *peer) Forget(id uint64) { p.swap(id<<idShift|isTaken, isFree) }

// swap changes the state of a receive shown to p, if one has it.
func (p *peer) swap(from, to uint64) bool {
	ctl := p.inbox.Load()
	if ctl == nil {
		return false
	}
	for i := range ctl.shown {
		s := &ctl.shown[i].state
		if atomic.LoadUint64(s) == from {
			return atomic.CompareAndSwapUint64(s, from, to)
		}
	}
	return false
}

// Shows implements transport.Putter.
func (p *peer) Shows(h wire.Header) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, _, _ := p.open(h)
	return s != nil
}

// Take implements transport.Putter.
func (p *peer) Take(h wire.Header) (o transport.Shown, ok bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	s, state, o := p.open(h)
	return o, s != nil && atomic.CompareAndSwapUint64(&s.state, state, state-isOpen+isTaken)
}

// open finds a receive for h that p shows, and its state when it was read. Called with
// p.mu held. There is no second one: what would be matched after another is not shown.
func (p *peer) open(h wire.Header) (s *shown, state uint64, o transport.Shown) {
	if p.err != nil || p.first != nil || p.out.ctl == nil || !p.reaches() {
		return nil, 0, o
	}
	for i := range p.out.ctl.shown {
		s = &p.out.ctl.shown[i]
		if state = atomic.LoadUint64(&s.state); state&stateLow != isOpen {
			continue
		}
		o = s.Shown
		if o.Group == h.Group && o.Tag == h.Tag && o.Src == h.Src && o.Dst == h.Dst && o.Elem == h.Elem &&
			h.Len <= o.Len && p.told <= s.after && o.ID == state>>idShift {
			return s, state, o
		}
	}
	return nil, 0, o
}

// Put implements transport.Putter.
func (p *peer) Put(x []byte, addr uint64) bool {
	if len(x) == 0 {
		return true
	}
	s := p.net.seg.slot(p.local)
	pid := int(atomic.LoadUint32(&s.pid))
	// The number of a process that has ended may be another's.
	return p.proves() && atomic.LoadUint32(&s.state) == alive && writeMemory(pid, x, addr) == nil
}
