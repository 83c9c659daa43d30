package shm

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"gridrun/internal/spin"
	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

const (
	// ringSize is the place for records in flight between two processes, one way: a
	// power of two. A sender uses the first ringLeast of it until it has found them
	// full fullsToGrow times, then twice as much, and so on: to ringSize where few
	// processes share the segment, else to ringMany in at most grownMany of its rings.
	// So the rings of a process that has talked a lot to 92 others, which it has half
	// of, take 5 MB, and those of one that has exchanged little with them 0.4 MB.
	ringSize    = 256 << 10
	ringLeast   = 32 << 10
	ringMany    = 64 << 10
	grownMany   = 16
	fullsToGrow = 8
	// ringStride is what a ring takes in the pool: control words and data lie
	// together, so that a pair that says little touches one page.
	ringStride = int(unsafe.Sizeof(control{})) + ringSize

	// publishEvery is how many consumed bytes the reader gives back at a time.
	// What it keeps leaves room for any record in a ring that is read empty.
	publishEvery = 4 << 10

	// ahead is how far before the records' places the sender fetches cache lines:
	// a few messages, in which they have time to come.
	ahead = 4 * line
)

// control is what the receiver tells the sender. The distance keeps it out of the
// records' cache lines, and of the line that the hardware fetches along with it.
type control struct {
	head    uint64 // written by the receiver: all before it is consumed
	waiting uint32 // set by the sender: signal me when head moves
	_       [2*line - 12]byte
	shown   [shownMost]shown
}

// ring is a single-producer single-consumer queue of records (record.go).
// Positions count bytes from the ring's birth and never wrap; they are multiples
// of a cache line.
//
// A record is there when its first word is not 0. The sender clears the word
// behind a record before it writes the record's own, so the receiver needs no
// word beside the records to know how far to read: a short message is one cache
// line that goes from one processor to the other. No record crosses the end of
// the ring, or of what the sender uses of it; a mark fills what is left there.
type ring struct {
	ctl  *control
	data *[ringSize]byte
}

// word returns the word at a position.
func (r ring) word(pos uint64) *uint64 {
	return (*uint64)(unsafe.Pointer(&r.data[pos%ringSize]))
}

// writer is the sending end. Its own positions are in private memory; a peer
// that scribbles on the shared ones does no harm beyond the pair.
type writer struct {
	ring
	tail uint64 // written so far
	head uint64 // as last read
	// cleared is a position behind tail whose word is 0 already.
	cleared uint64
	// blocked says that frames are queued for want of room, or are about to be:
	// a Poll that is signalled must try again. It is set before the receiver is
	// asked for a signal, so that no signal finds it unset.
	blocked atomic.Bool
	// No record ends behind limit: so much of the ring is used.
	limit int
	fulls int // times that there was no room for an envelope
}

// reserve returns size contiguous bytes, and nil when there is no room yet. An error
// means that the receiver's position is nonsense.
func (w *writer) reserve(size int, lazily bool) ([]byte, error) {
	pos := int(w.tail % ringSize)
	// Who has taken in nearly all needs no more of the ring: its first part is in the caches.
	end := pos + size
	if rest := ringSize - pos; end > ringLeast && (end > w.limit || pos <= ringLeast && w.idle()) {
		// The mark is published on its own: the receiver consumes it, and an
		// empty ring then has room for any record.
		if ok, err := w.room(rest); !ok {
			return nil, err
		}
		w.publish(rest, markWord, lazily)
		pos = 0
	}
	if ok, err := w.room(size); !ok {
		return nil, err
	}
	return w.data[pos : pos+size : pos+size], nil
}

// idle tells whether there is next to nothing in the ring.
func (w *writer) idle() bool { return w.tail-atomic.LoadUint64(&w.ctl.head) <= 2*publishEvery }

// room tells whether size bytes are free, and the word behind them, and asks to
// be signalled if not.
func (w *writer) room(size int) (bool, error) {
	need := uint64(size + line)
	for asked := false; ; asked = true {
		if w.tail-w.head+need <= ringSize {
			return true, nil
		}
		head := atomic.LoadUint64(&w.ctl.head)
		if w.tail-head > ringSize || head%line != 0 {
			return false, fmt.Errorf("shared ring: the receiver has read up to %d of %d bytes written", head, w.tail)
		}
		w.head = head
		if w.tail-head+need <= ringSize {
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

// rest is the bytes before the end of what is used of the ring.
func (w *writer) rest() int { return w.limit - int(w.tail%ringSize) }

// full counts that there was no room for an envelope: one that finds some the next
// time costs less. True: more of the ring should be used.
func (w *writer) full() bool {
	w.fulls++
	return w.fulls%fullsToGrow == 0
}

// publish hands the next size bytes to the receiver, whose first word becomes
// first. lazily: a load that follows may be done before the receiver sees it.
func (w *writer) publish(size int, first uint64, lazily bool) {
	at := w.word(w.tail)
	w.tail += uint64(size)
	if w.tail != w.cleared {
		*w.word(w.tail) = 0
	}
	if lazily {
		spin.Store(at, first)
	} else {
		atomic.SwapUint64(at, first)
	}
	// The word behind the next record, should it be short, and lines of records to
	// come are made ready while nobody waits for them: the receiver's processor may have
	// fetched what lies behind the record that it looks for.
	if next := w.tail + line; next+line-w.head <= ringSize {
		*w.word(next) = 0
		w.cleared = next
	}
	if next := w.tail + ahead; next-w.head < ringSize {
		spin.Claim(w.word(next))
	}
}

// reader is the receiving end.
type reader struct {
	ring
	head  uint64 // consumed so far
	given uint64 // what the sender knows of it
}

// next decodes the record at head into h and returns its body and its size in the
// ring; 0 when there is none yet. The body stays until skip.
func (r *reader) next(h *wire.Header) (body []byte, size int, err error) {
	for {
		pos := int(r.head % ringSize)
		rest := ringSize - pos
		first := r.first(r.head)
		switch {
		case first == 0:
			return nil, 0, nil
		case first == markWord: // for the end of the ring, or of what is used of it
			if pos < ringLeast-longest {
				return nil, 0, fmt.Errorf("shared ring: %w: a mark for the end, %d bytes from the start", wire.ErrFrame, pos)
			}
			r.skip(rest)
			continue
		}
		return decode(first, r.data[pos:], h)
	}
}

// first is the first word of the record at a position.
func (r *reader) first(pos uint64) uint64 { return atomic.LoadUint64(r.word(pos)) }

// skip consumes a record of so many bytes in the ring.
func (r *reader) skip(size int) { r.head += uint64(size) }

// give tells the sender what is consumed, if it is enough to be worth it, and
// reports whether it waits for that.
func (r *reader) give() bool {
	if r.head-r.given < publishEvery {
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

// longest is the largest record: no mark is further than that from the end of what is
// used.
const longest = (longHeader+line-1)&^(line-1) + transport.EagerMax

// In a ring that is read empty, but for what the reader keeps, it fits.
var _ [ringLeast - publishEvery - line - longest]struct{}
