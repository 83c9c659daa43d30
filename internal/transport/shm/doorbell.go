package shm

import (
	"math/bits"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"

	"gridrun/internal/spin"
)

// slot is what other processes see of one process. The ready words, one bit for
// each process of the host, follow it in memory: for up to 448 processes they
// share one cache line with mode, so an idle Poll and a sender's look at the
// doorbell touch one line.
//
// # Why no wake-up is lost
//
// All words are accessed by sync/atomic, which is sequentially consistent: there
// is one order of all accesses that every process agrees on. Where a store must
// come before a later load of another word, the code uses Swap: it costs the same,
// and under the race detector a Store to mapped memory is a plain one that the
// processor may delay past the load.
//
// A sender S does
//
//	S1 publish (the ring's tail, or its head)
//	S2 load the ready word; where its bit is clear, set it
//	S3 load mode; where someone is armed: take the armed bits, advance
//	   the bells of those armed, wake
//
// A sleeper R does
//
//	R1 read its bell
//	R2 arm (set its bit in mode)
//	R3 load the ready words; any bit: disarm and return
//	R4 futex wait, unless the bell has moved on since R1
//
// If S3 sees R armed, the bell moves on after R2, so after R1: R4 does not block
// or is woken. If S3 sees R not armed then either R2 comes after S3, so R3 comes
// after S2 and sees the bit; or another sender has taken the armed bit after R2
// and moves the bell on as above. The bit that S2 found set or set itself is
// taken by a Poll only, which loads the tail after it has taken the bit, so after
// S1. Watch(false) is R2 and R3 without R4: the background poller, on its way
// into Sleep, finds the bell moved on or, nobody polling, passes R2 and R3
// itself.
//
// Wake moves the bells on without a condition. A bell that has moved on since the
// end of the Sleep before makes the next Sleep return at once, so a Wake that
// comes between a look at a condition and Sleep is not lost either.
//
// Watched peers: where few processes share the segment, R looks at the rings of
// those that have sent, and leaves their ready bits set. S2 then finds its bit
// set for ever, and R3 looks for S1 itself, so the same holds with S1 in place of
// S2. The bit is set before R looks at the ring for the first time and cleared
// never. A nudge, which has no ring to look at, has a bit of its own that is.
//
// Lax receivers: a full fence between S1 and S2 costs a short message a third of
// its time. A receiver that is lax has membarrier(2) put that fence into every
// running sender's program between R2 and R3, wherever it is there: before S3,
// which then sees R armed, or after S1, which R3 then sees. It reaches those
// processes only that have registered, so the others fence (Net.fenced), and a
// process registers, which takes milliseconds, when it has sent a lot.
//
// A sender that is killed between taking the armed bits and moving the bells on
// leaves a sleeper that nobody rings. So its death rouses without looking at mode:
// Kill and MarkDead do.
type slot struct {
	bell  [2]uint32 // futex words of token holder and background poller: counters
	pid   uint32    // as the process itself sees it
	_     uint32
	probe uint64 // address of a word of the process's own memory, 0: not attached
	nonce uint64 // what that word holds
	// attention is not 0 while a goroutine of the process waits and polls. In this
	// cache line nobody looks often.
	attention uint64
	seat      uint64 // see spread.go
	stored    uint64 // chunks of its store that are in use: see store.go
	_         [line - 56]byte
	mode      uint32 // bits below
	state     uint32 // one of the states below
}

const (
	armed0  = 1 << 0 // the token holder is asleep, or about to be
	armed1  = 1 << 1 // nobody polls: ring the background poller
	polling = 1 << 2 // a goroutine polls
	lax     = 1 << 3 // who arms here fences all others: senders need not
)

const (
	unborn = iota // not attached yet: takes frames, they wait
	alive
	left // closed: takes nothing more; what it has sent is still there
	dead // ended, says the agent
)

// nudged is the ready bit of a nudge where the processes watch each other's rings:
// their own bits, which stay set, say nothing new there.
const nudged = 63

// words returns n ready words.
func (s *slot) words(n int) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Add(unsafe.Pointer(s), unsafe.Sizeof(*s))), n)
}

// signal says that there is something from, or room at, the process with local
// index from.
func (s *slot) signal(from int) {
	w := (*uint64)(unsafe.Add(unsafe.Pointer(s), unsafe.Sizeof(*s)+uintptr(from/64*8)))
	bit := uint64(1) << (from % 64)
	if atomic.LoadUint64(w)&bit == 0 {
		atomic.OrUint64(w, bit)
	}
	if atomic.LoadUint32(&s.mode)&(armed0|armed1) != 0 {
		s.ring()
	}
}

// ring wakes those armed.
func (s *slot) ring() {
	m := atomic.AndUint32(&s.mode, ^uint32(armed0|armed1))
	for which := range s.bell {
		if m&(armed0<<which) != 0 {
			atomic.AddUint32(&s.bell[which], 1)
			futexWake(&s.bell[which])
		}
	}
}

// rouse wakes both, armed or not.
func (s *slot) rouse() {
	for which := range s.bell {
		atomic.AddUint32(&s.bell[which], 1)
		futexWake(&s.bell[which])
	}
}

// Sleep implements transport.Poller.
func (n *Net) Sleep(which int, timeout int64) {
	if n.closing.Load() {
		return
	}
	n.sleep(which, timeout, nil)
}

// Doze implements transport.Poller.
func (n *Net) Doze(p *spin.Pulse) {
	if !n.closing.Load() {
		n.sleep(1, 0, p)
	}
}

// napTime is how long the token holder first sleeps where processes share processors.
// Most messages come within it. A sleep that Go's scheduler knows of has its monitor wake up at
// the end and then every 20 us for a millisecond, 5 us of a processor each time. It takes
// one of the places that goroutines run in, so there must be another for those that
// are ready, one of which may be what the holder waits for.
const napTime = 2 * time.Millisecond

// sleep takes its timeout from p if that is not nil.
func (n *Net) sleep(which int, timeout int64, p *spin.Pulse) {
	s, seen := n.own, &n.seen[which]
	bell := &s.bell[which]
	cur := atomic.LoadUint32(bell)
	if seen.Load() != cur {
		seen.Store(cur)
		return
	}
	// While somebody polls, the background poller needs no ring and looks at
	// nothing: Watch(false) arms it.
	if which == 0 || atomic.LoadUint32(&s.mode)&polling == 0 {
		atomic.OrUint32(&s.mode, armed0<<which)
		n.fence()
		if n.any() {
			atomic.AndUint32(&s.mode, ^uint32(armed0<<which))
			return
		}
	}
	n.asleep[which].Store(true)
	switch {
	case p != nil:
		futexDoze(bell, cur, p)
	case which == 0 && n.naps && timeout == 0 && runtime.GOMAXPROCS(0) > 1 && !futexNap(bell, cur, int64(napTime)):
	default:
		futexWait(bell, cur, timeout)
	}
	n.asleep[which].Store(false)
	if which == 0 {
		atomic.AndUint32(&s.mode, ^uint32(armed0))
	}
	seen.Store(atomic.LoadUint32(bell))
}

// Wake implements transport.Poller.
func (n *Net) Wake() {
	if !n.closing.Load() {
		n.wake()
	}
}

// wake moves each bell on before it looks who is asleep, and sleep says so before
// the kernel compares the bell: one of the two sees the other.
func (n *Net) wake() {
	for which := range n.own.bell {
		atomic.AddUint32(&n.own.bell[which], 1)
		if n.asleep[which].Load() {
			futexWake(&n.own.bell[which])
		}
	}
}

// Watch implements transport.Poller.
func (n *Net) Watch(on bool) bool {
	if n.closing.Load() {
		return false
	}
	if on {
		// Only this process sets armed bits: without them there is nothing to change.
		if atomic.LoadUint32(&n.own.mode) != n.base|polling {
			atomic.SwapUint32(&n.own.mode, n.base|polling)
		}
		return false
	}
	atomic.SwapUint32(&n.own.mode, n.base|armed1)
	n.fence()
	return n.any()
}

// any tells whether there is something to serve: a ready bit, or a watched peer's.
func (n *Net) any() bool {
	watched := n.watched.Load()
	for w := watched; w != 0; w &= w - 1 {
		if n.peers[bits.TrailingZeros64(w)].Load().pending() {
			return true
		}
	}
	if atomic.LoadUint64(&n.ready[0])&^watched != 0 {
		return true
	}
	for i := 1; i < len(n.ready); i++ {
		if atomic.LoadUint64(&n.ready[i]) != 0 {
			return true
		}
	}
	return false
}

// fence is what the senders of this process, having armed it, leave to it.
func (n *Net) fence() {
	if n.base&lax != 0 {
		fenceOthers()
	}
}

// lazy tells whether frames for slot s may be published without a fence.
func (n *Net) lazy(s *slot) bool {
	return n.fenced.Load() && atomic.LoadUint32(&s.mode)&lax != 0
}

// beFenced, once, makes this process one that may be lazy, some milliseconds later.
func (n *Net) beFenced() {
	n.asked.Do(func() {
		if n.base&lax != 0 {
			n.joined.Go(func() { n.fenced.Store(beFenced()) })
		}
	})
}
