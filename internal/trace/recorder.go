package trace

import (
	"fmt"
	"gridrun/internal/hostclock"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"
)

// A Recorder is a rank's pen. nil records nothing; who may hold nil asks first.
type Recorder struct {
	clock hostclock.Clock
	head  *head
	ring  []Event // nil: counters only

	mu       sync.Mutex
	names    map[string]uint16
	shortest int // of head.Longest
}

// Attach makes mem, Size(events) bytes of 8-byte aligned zeroes, the memory of a
// rank, and tells whoever reads it that somebody writes.
func Attach(mem []byte, rank int, clock hostclock.Clock) (*Recorder, error) {
	events := (len(mem) - HeadSize) / EventSize
	if len(mem) < HeadSize || len(mem) != Size(events) || events > MaxEvents || uintptr(unsafe.Pointer(unsafe.SliceData(mem)))%8 != 0 {
		return nil, fmt.Errorf("memory of %d bytes to record in: agent and rank must be of the same build", len(mem))
	}
	r := &Recorder{clock: clock, head: (*head)(unsafe.Pointer(unsafe.SliceData(mem))), names: make(map[string]uint16)}
	if events > 0 {
		r.ring = unsafe.Slice((*Event)(unsafe.Pointer(&mem[HeadSize])), events)
	}
	h := r.head
	h.Version, h.Rank, h.Capacity = version, int32(rank), uint64(events)
	h.Magic, h.Attached = magic, 1
	return r, nil
}

// Tracing says whether events are recorded; without, only counters are.
func (r *Recorder) Tracing() bool { return r.ring != nil }

// Now is the host's time, in nanoseconds.
func (r *Recorder) Now() int64 { return r.clock.Now() }

// At is what Now was at t.
func (r *Recorder) At(t time.Time) int64 { return r.clock.At(t) }

// Sent counts a message. The caller holds the rank's lock.
func (r *Recorder) Sent(op uint8, class Class, bytes int) {
	c := &r.head.Sent[op%MaxOps][class%Classes]
	c.Messages++
	c.Bytes += uint64(bytes)
}

// Called counts a collective call. The caller holds the rank's lock.
func (r *Recorder) Called(op uint8) { r.head.Ops[op%MaxOps].Calls++ }

// Peak says what the process has held at most, in bytes. The kernel's own word on
// that (ru_maxrss) includes what the process was before it became this program.
func (r *Recorder) Peak(bytes int64) { r.head.Peak = uint64(bytes) }

// Brought counts the buffer of a collective call.
func (r *Recorder) Brought(op uint8, bytes int) {
	r.mu.Lock()
	r.head.Ops[op%MaxOps].Bytes += uint64(bytes)
	r.mu.Unlock()
}

// Waited notes a wait that began at w.Begin and has just ended.
func (r *Recorder) Waited(w Wait) {
	w.Nanos = r.Now() - w.Begin
	r.mu.Lock()
	defer r.mu.Unlock()
	o := &r.head.Ops[w.Op%MaxOps]
	o.Waits++
	o.Blocked += uint64(w.Nanos)
	longest := &r.head.Longest
	if w.Nanos > longest[r.shortest].Nanos {
		longest[r.shortest] = w
		for i := range longest {
			if longest[i].Nanos < longest[r.shortest].Nanos {
				r.shortest = i
			}
		}
	}
	r.add(Event{Kind: Blocked, Begin: w.Begin, Dur: w.Nanos, Op: uint8(w.Op), Tag: w.Tag, Peer: w.Peer, Group: w.Group})
}

// Fetched notes a read from an array cache, which has just ended.
func (r *Recorder) Fetched(op uint8, array string, begin int64, n Reads) {
	now := r.Now()
	r.mu.Lock()
	defer r.mu.Unlock()
	sum := &r.head.Reads
	sum.Reads += n.Reads
	sum.Hits += n.Hits
	sum.Remote += n.Remote
	sum.Waited += n.Waited
	sum.Missed += n.Missed
	sum.Asked += n.Asked
	sum.Moved += n.Moved
	r.add(Event{Kind: Read, Begin: begin, Dur: now - begin, Op: op, Name: r.name(array), Peer: -1, Tag: -1,
		Seq: uint32(n.Hits + n.Remote + n.Waited + n.Missed), Bytes: n.Asked, ID: n.Hits})
}

// Add records e, which ends now, under a name if it has one.
func (r *Recorder) Add(e Event, name string) {
	if r.ring == nil {
		return
	}
	e.Dur = r.Now() - e.Begin
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Name = r.name(name)
	r.add(e)
}

// add is for the holder of r.mu.
func (r *Recorder) add(e Event) {
	if r.ring == nil {
		return
	}
	at := &r.ring[r.head.Next%uint64(len(r.ring))]
	atomic.StoreUint64(&at.Commit, 0)
	e.Commit = 0
	*at = e
	atomic.StoreUint64(&at.Commit, r.head.Next+1)
	atomic.StoreUint64(&r.head.Next, r.head.Next+1)
}

// name is the number of a name, 0 when there is no room for it.
func (r *Recorder) name(s string) uint16 {
	if s == "" || r.ring == nil {
		return 0
	}
	if n, ok := r.names[s]; ok {
		return n
	}
	h := r.head
	if h.Names == MaxNames {
		return 0
	}
	text := &h.Text[h.Names]
	text[0] = byte(copy(text[1:], s))
	h.Names++
	r.names[s] = uint16(h.Names)
	return uint16(h.Names)
}
