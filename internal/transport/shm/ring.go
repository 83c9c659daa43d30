package shm

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"gridrun/internal/wire"
)

const (
	// ringSize is the bytes of records in flight between two processes, one
	// way: a power of two, at least twice transport.EagerMax.
	ringSize = 32 << 10
	// ringStride is what a ring takes in the pool: control words and data lie
	// together, so that a pair that says little touches one page.
	ringStride = int(unsafe.Sizeof(control{})) + ringSize

	// wrapMark in place of a frame's kind: the next record is at the start.
	wrapMark = 0xff
	// publishEvery is how many consumed bytes the reader gives back at a time.
	publishEvery = 4 << 10
)

// control is the words that both ends of a ring share. Positions count bytes
// from the ring's birth and never wrap; multiples of 8. The distances keep the
// two ends' words out of each other's cache line and of the line that the
// hardware fetches along with it.
type control struct {
	tail    uint64 // written by the sender: all before it is published
	_       [2*line - 8]byte
	head    uint64 // written by the receiver: all before it is consumed
	waiting uint32 // set by the sender: signal me when head moves
	_       [2*line - 12]byte
}

// ring is a single-producer single-consumer queue of records: a wire.Header and
// its body, padded to 8 bytes. No record crosses the end of the ring; a wrapMark
// fills what is left there.
type ring struct {
	ctl  *control
	data *[ringSize]byte
}

func padded(body int) int { return wire.HeaderSize + (body+7)&^7 }

// writer is the sending end. Its own positions are in private memory; a peer
// that scribbles on the shared ones does no harm beyond the pair.
type writer struct {
	ring
	tail uint64 // written so far
	head uint64 // as last read
	// blocked says that frames are queued for want of room, or are about to be:
	// a Poll that is signalled must try again. It is set before the receiver is
	// asked for a signal, so that no signal finds it unset.
	blocked atomic.Bool
}

// reserve returns size contiguous bytes, at most half a ring, and nil when
// there is no room yet. An error means that the receiver's position is nonsense.
func (w *writer) reserve(size int) ([]byte, error) {
	pos := int(w.tail % ringSize)
	if rest := ringSize - pos; rest < size {
		// The mark is published on its own: the receiver consumes it, and an
		// empty ring then has room for any record.
		if ok, err := w.room(rest); !ok {
			return nil, err
		}
		w.data[pos] = wrapMark
		w.publish(rest)
		pos = 0
	}
	if ok, err := w.room(size); !ok {
		return nil, err
	}
	return w.data[pos : pos+size], nil
}

// room tells whether size bytes are free, and asks to be signalled if not.
func (w *writer) room(size int) (bool, error) {
	for asked := false; ; asked = true {
		if w.tail-w.head+uint64(size) <= ringSize {
			return true, nil
		}
		head := atomic.LoadUint64(&w.ctl.head)
		if w.tail-head > ringSize || head%8 != 0 {
			return false, fmt.Errorf("shared ring: the receiver has read up to %d of %d bytes written", head, w.tail)
		}
		w.head = head
		if w.tail-head+uint64(size) <= ringSize {
			return true, nil
		}
		if asked {
			return false, nil
		}
		// The receiver stores head before it looks at waiting: either it sees
		// this, or the next turn of the loop sees its head.
		w.blocked.Store(true)
		atomic.SwapUint32(&w.ctl.waiting, 1)
	}
}

// rest is the bytes before the end of the ring.
func (w *writer) rest() int { return ringSize - int(w.tail%ringSize) }

// publish hands the next n bytes to the receiver.
func (w *writer) publish(n int) {
	w.tail += uint64(n)
	atomic.SwapUint64(&w.ctl.tail, w.tail)
}

// reader is the receiving end.
type reader struct {
	ring
	head  uint64 // consumed so far
	given uint64 // what the sender knows of it
}

// published returns how far the sender has written.
func (r *reader) published() (uint64, error) {
	tail := atomic.LoadUint64(&r.ctl.tail)
	if tail-r.head > ringSize || tail%8 != 0 {
		return r.head, fmt.Errorf("shared ring: the sender has written up to %d, %d are read", tail, r.head)
	}
	return tail, nil
}

// next decodes the record at head into h and returns its body; false when
// there is none before tail. The body stays until skip.
func (r *reader) next(tail uint64, h *wire.Header) ([]byte, bool, error) {
	for r.head != tail {
		pos := int(r.head % ringSize)
		rest := min(ringSize-pos, int(tail-r.head))
		if r.data[pos] == wrapMark {
			if rest != ringSize-pos {
				return nil, false, fmt.Errorf("shared ring: %w: a mark for the end at %d with %d bytes published", wire.ErrFrame, pos, rest)
			}
			r.head += uint64(rest)
			continue
		}
		if err := h.Decode(r.data[pos : pos+rest]); err != nil {
			return nil, false, fmt.Errorf("shared ring: %w", err)
		}
		if padded(int(h.Body)) > rest {
			return nil, false, fmt.Errorf("shared ring: %w: body of %d bytes with %d published", wire.ErrFrame, h.Body, rest)
		}
		pos += wire.HeaderSize
		return r.data[pos : pos+int(h.Body) : pos+int(h.Body)], true, nil
	}
	return nil, false, nil
}

// skip consumes the record of a body of n bytes.
func (r *reader) skip(n int) { r.head += uint64(padded(n)) }

// give tells the sender what is consumed and reports whether it waits for that.
func (r *reader) give() bool {
	if r.given == r.head {
		return false
	}
	r.given = r.head
	atomic.SwapUint64(&r.ctl.head, r.head)
	return atomic.LoadUint32(&r.ctl.waiting) != 0 && atomic.SwapUint32(&r.ctl.waiting, 0) != 0
}

// ring returns ring number i of the pool (counted from 1, as in the directory).
func (s *Segment) ring(i uint32) (ring, error) {
	if i == 0 || int(i) > s.procs*s.procs {
		return ring{}, fmt.Errorf("shared segment: ring %d of %d", i, s.procs*s.procs)
	}
	off := s.pool + int(i-1)*ringStride
	return ring{
		ctl:  (*control)(s.at(off)),
		data: (*[ringSize]byte)(s.at(off + int(unsafe.Sizeof(control{})))),
	}, nil
}

// claim makes the ring from process i to process j; only i does, and once.
func (s *Segment) claim(i, j int) (ring, error) {
	number := atomic.AddUint32(&s.hdr.rings, 1)
	r, err := s.ring(number)
	if err == nil {
		atomic.SwapUint32(&s.rings[i*s.procs+j], number)
	}
	return r, err
}

// find returns the ring from process i to process j, false when i has none yet.
func (s *Segment) find(i, j int) (ring, bool, error) {
	number := atomic.LoadUint32(&s.rings[i*s.procs+j])
	if number == 0 {
		return ring{}, false, nil
	}
	r, err := s.ring(number)
	return r, err == nil, err
}
