// Package bias has a lock for what one goroutine does again and again and others
// now and then, as a rank's own goroutine and its process's background poller.
//
// A locked instruction, of which a sync.Mutex needs two, waits until all earlier
// stores are where other processors see them. Just after a message has been written
// into a cache line that another processor has, that is most of a message's time. So
// a [Mutex] that the same goroutine has taken many times in a row is biased to it:
//
//  1. The goroutine gets a seat of its own, and the Mutex points to it.
//  2. It enters by saying in the seat that it is in and looking whether the Mutex
//     still points to the seat. It leaves by saying that it is out. These are plain
//     loads and stores.
//  3. Another goroutine takes the plain lock within, takes the pointer away, has a
//     memory fence put into every running thread of the process (membarrier(2)),
//     and waits until the seat says out. Either the owner's look comes after the
//     fence, and sees that the pointer is gone; or what it has said comes before,
//     and is seen.
//  4. The lock is then a plain one ([spin.Lock]) again, until somebody takes it in a
//     row, twice as long as before.
//
// Seats are not used again: an owner that was interrupted between the two halves of
// step 2, for however long, withdraws from a seat that nobody looks at any more.
//
// This needs an architecture where stores are seen in their order, the address of the
// running goroutine's record, and a kernel with membarrier. Elsewhere, under the race
// detector, and before [Prepare], a Mutex is a plain lock.
package bias

import (
	"runtime"
	"sync/atomic"

	"gridrun/internal/spin"
)

const (
	// firstRow is how often in a row the same goroutine takes a Mutex before it is
	// biased to it; it doubles with each time that the bias ends, up to mostRow, for
	// which a fence is nothing.
	firstRow = 200
	mostRow  = 20000
)

// ready says that fences work.
var ready atomic.Bool

// Prepare lets Mutexes of this process become biased, where that is possible. It
// takes milliseconds, in which the kernel waits for all processors.
func Prepare() {
	if possible && !ready.Load() && register() {
		ready.Store(true)
	}
}

// A Mutex is a lock. The zero value is unlocked. It must be unlocked by the goroutine
// that has locked it.
type Mutex struct {
	seat atomic.Pointer[seat] // of who it is biased to; changed under mu
	held *seat                // of the holder, nil if it holds mu; the holder's

	mu   spin.Lock
	last uintptr // who took mu last, and how often in a row; under mu
	row  int
	need int // as long a row, and it is biased
}

// seat belongs to one goroutine and, for one time of bias, one Mutex.
type seat struct {
	g      uintptr
	inside uint64
}

// Lock locks m.
func (m *Mutex) Lock() {
	if m.seat.Load() != nil && enter(m) {
		return
	}
	m.mu.Lock()
	if m.held != nil || ready.Load() {
		m.consider()
	}
}

// Unlock unlocks m.
func (m *Mutex) Unlock() {
	if s := m.held; s != nil {
		spin.Store(&s.inside, 0)
		return
	}
	m.mu.Unlock()
}

// consider ends another's bias, or begins the caller's, who holds mu.
func (m *Mutex) consider() {
	if s := m.seat.Load(); s != nil {
		m.seat.Store(nil)
		fence()
		for i := 0; atomic.LoadUint64(&s.inside) != 0; i++ {
			if i < 100 {
				spin.Pause()
			} else {
				runtime.Gosched()
				spin.Yield()
			}
		}
		m.held = nil
		m.need = min(2*m.need, mostRow)
	}
	switch g := self(); {
	case g != m.last:
		m.last, m.row = g, 0
	default:
		if m.row++; m.row < max(m.need, firstRow) {
			return
		}
		m.need, m.row = max(m.need, firstRow), 0
		m.held = &seat{g: g, inside: 1}
		m.seat.Store(m.held)
		m.mu.Unlock()
	}
}
