// Package waittable is where the goroutines of a rank say what they are
// blocked in, in memory that the host's agent shares: it reads the table
// without the rank's help, also when the rank is stuck or dead. An entry is
// written only when an operation leaves its polling phase, so that fast
// operations pay nothing. Times in it are the host's clock ([hostclock]), so they
// mean the same to rank and agent, and a step of the time of day moves none.
package waittable

import (
	"sync/atomic"
	"time"
	"unsafe"

	"gridrun/internal/hostclock"
)

const (
	// Slots is how many blocked operations of one rank the table shows; more
	// stay unseen.
	Slots = 8
	// entrySize is one cache line.
	entrySize = 64
	// RankSize is the bytes of one rank's part of a table.
	RankSize = Slots * entrySize
)

// entry is written by one goroutine of the rank and read by anyone: version is
// odd while it is being written (a sequence lock), state 0 means free.
type entry struct {
	version uint32
	used    uint32
	op      uint32
	peer    int32
	tag     int32
	seq     uint32
	group   uint64
	since   int64
	count   int64
	root    int32
	elem    uint32
	members uint32
	_       [4]byte
}

// Table is the part of one rank: RankSize bytes, 8-byte aligned, zero at first.
// The zero Table shows nothing and costs nothing.
type Table struct{ entries *[Slots]entry }

// At views b as a table.
func At(b []byte) Table {
	if len(b) < RankSize {
		panic("waittable: memory too small")
	}
	return Table{(*[Slots]entry)(unsafe.Pointer(unsafe.SliceData(b)))}
}

// New returns a table in ordinary memory, for ranks without an agent.
func New() Table { return Table{new([Slots]entry)} }

// A Wait is one blocked operation.
type Wait struct {
	Op    uint8
	Peer  int32 // world rank, -1: any or none
	Tag   int32
	Seq   uint32 // number of the collective call in its group, 0: not a collective
	Group uint64
	Since time.Time // of time.Now

	// Of a collective, what all members must agree on:
	Root    int32  // group rank, -1: none
	Count   int64  // length in elements, -1: none, or one a rank
	Elem    uint32 // signature of element type, lengths and options
	Members uint32 // ranks of the group
}

// Enter publishes w and returns the slot to Leave, or -1 when all are taken.
func (t Table) Enter(w Wait) int {
	if t.entries == nil {
		return -1
	}
	for i := range t.entries {
		e := &t.entries[i]
		if !atomic.CompareAndSwapUint32(&e.used, 0, 1) {
			continue
		}
		atomic.AddUint32(&e.version, 1)
		atomic.StoreUint32(&e.op, uint32(w.Op))
		atomic.StoreInt32(&e.peer, w.Peer)
		atomic.StoreInt32(&e.tag, w.Tag)
		atomic.StoreUint32(&e.seq, w.Seq)
		atomic.StoreUint64(&e.group, w.Group)
		atomic.StoreInt64(&e.since, hostclock.Shared().At(w.Since))
		atomic.StoreInt64(&e.count, w.Count)
		atomic.StoreInt32(&e.root, w.Root)
		atomic.StoreUint32(&e.elem, w.Elem)
		atomic.StoreUint32(&e.members, w.Members)
		atomic.AddUint32(&e.version, 1)
		atomic.StoreUint32(&e.used, 2)
		return i
	}
	return -1
}

// Leave takes back what Enter published.
func (t Table) Leave(slot int) {
	if slot >= 0 {
		atomic.StoreUint32(&t.entries[slot].used, 0)
	}
}

// Read returns the operations that are blocked now.
func (t Table) Read() []Wait {
	if t.entries == nil {
		return nil
	}
	var out []Wait
	for i := range t.entries {
		e := &t.entries[i]
		for try := 0; try < 100; try++ {
			v := atomic.LoadUint32(&e.version)
			if atomic.LoadUint32(&e.used) != 2 {
				break
			}
			w := Wait{
				Op:    uint8(atomic.LoadUint32(&e.op)),
				Peer:  atomic.LoadInt32(&e.peer),
				Tag:   atomic.LoadInt32(&e.tag),
				Seq:   atomic.LoadUint32(&e.seq),
				Group: atomic.LoadUint64(&e.group),
				Since: hostclock.Shared().Time(atomic.LoadInt64(&e.since)),

				Count:   atomic.LoadInt64(&e.count),
				Root:    atomic.LoadInt32(&e.root),
				Elem:    atomic.LoadUint32(&e.elem),
				Members: atomic.LoadUint32(&e.members),
			}
			if v&1 == 0 && atomic.LoadUint32(&e.version) == v && atomic.LoadUint32(&e.used) == 2 {
				out = append(out, w)
				break
			}
		}
	}
	return out
}
