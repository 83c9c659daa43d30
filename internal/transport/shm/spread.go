package shm

import (
	"math"
	"sync"
	"sync/atomic"
	"time"

	"gridrun/internal/cpuset"
	"gridrun/internal/hostclock"
)

// Where processes share processors, who waits gives way by sched_yield, and keeps
// running every few microseconds. To the kernel such a thread is one whose memory is
// in the cache, which it moves to another processor only after long attempts: seven
// of eight ranks may stay on one processor for tens of milliseconds while the other
// has one, or none. So who waits looks after it itself: it notes now and then which
// processor it is on, and every spreadEvery one of the host's processes looks whether
// two more of them wait on its processor than on another one that it may use. Then it
// moves there: it binds itself to that processor and lifts that at once, so that the
// kernel is as free as before.
const (
	spreadEvery = 500 * time.Microsecond
	// spreadFresh is how long a process counts after it was last seen to wait. Who
	// computes is the kernel's to place.
	spreadFresh = 10 * time.Millisecond
	// noteBy is how many processes take turns: with more, each notes less often.
	noteBy = 16
)

// A seat is where a process was last seen to wait: the processor, below the time in
// units of 2^20 ns (about a millisecond).
type seat uint64

const (
	seatBits = 16
	seatUnit = 20
)

func seatOf(cpu int, now int64) seat { return seat(now>>seatUnit)<<seatBits | seat(cpu+1) }

// cpu is the processor, -1 if the process has not been seen for a while.
func (s seat) cpu(now int64) int {
	if age := now>>seatUnit - int64(s>>seatBits); age > int64(spreadFresh>>seatUnit)+1 {
		return -1
	}
	return int(s&(1<<seatBits-1)) - 1
}

// A spread is a process's part in keeping the host's waiting processes spread over
// the processors.
type spread struct {
	next   atomic.Int64 // when to note again
	mu     sync.Mutex   // of who looks
	counts map[int]int  // of processes, by processor
}

// never is when a process notes again that cannot move.
const never = math.MaxInt64

// Spread implements transport.Spreader.
func (n *Net) Spread() {
	s, now := &n.spread, hostclock.Shared().Now()
	if now < s.next.Load() || !s.mu.TryLock() {
		return
	}
	defer s.mu.Unlock()
	s.next.Store(now + int64(spreadEvery)*int64(1+n.seg.procs/noteBy))
	here, err := cpuset.Current()
	if err != nil {
		s.next.Store(never)
		return
	}
	atomic.StoreUint64(&n.own.seat, uint64(seatOf(here, now)))
	looked := &n.seg.hdr.looked
	last := atomic.LoadInt64(looked)
	if now-last < int64(spreadEvery) || !atomic.CompareAndSwapInt64(looked, last, now) {
		return
	}
	if s.counts == nil {
		s.counts = make(map[int]int)
	}
	clear(s.counts)
	for i := range n.seg.procs {
		slot := n.seg.slot(i)
		if cpu := seat(atomic.LoadUint64(&slot.seat)).cpu(now); cpu >= 0 && atomic.LoadUint32(&slot.state) == alive {
			s.counts[cpu]++
		}
	}
	if s.counts[here] < 2 { // alone
		return
	}
	to, fixed := -1, true
	moved := cpuset.Move(func(may cpuset.Set, here int) cpuset.Set {
		fixed = len(may) < 2
		if to = lessBusy(s.counts, here, may); to < 0 {
			return nil
		}
		return cpuset.Set{to}
	})
	switch {
	case moved:
		atomic.StoreUint64(&n.own.seat, uint64(seatOf(to, now)))
	case fixed || to >= 0: // it cannot, or the system refuses
		s.next.Store(never)
	}
}

// lessBusy is the processor of may with the fewest, if two fewer than here; else -1.
func lessBusy(counts map[int]int, here int, may cpuset.Set) int {
	best := -1
	for _, cpu := range may {
		if counts[cpu]+2 <= counts[here] && (best < 0 || counts[cpu] < counts[best]) {
			best = cpu
		}
	}
	return best
}
