package shm

import (
	"math"
	"runtime"
	"slices"
	"sync/atomic"
	"testing"

	"gridrun/internal/cpuset"
	"gridrun/internal/hostclock"
)

func TestSeat(t *testing.T) {
	const now = int64(12345678901234)
	fresh, gone := int64(spreadFresh), 2*int64(spreadFresh)+2<<seatUnit
	for _, cpu := range []int{0, 1, 63, 8191} {
		s := seatOf(cpu, now)
		if s.cpu(now) != cpu || s.cpu(now+fresh) != cpu || s.cpu(now+gone) != -1 {
			t.Errorf("%d: now %d, soon %d, later %d", cpu, s.cpu(now), s.cpu(now+fresh), s.cpu(now+gone))
		}
	}
	if seat(0).cpu(now) != -1 {
		t.Error("who has never waited is somewhere")
	}
}

func TestLessBusy(t *testing.T) {
	for _, c := range []struct {
		counts map[int]int
		may    cpuset.Set
		want   int
	}{
		{map[int]int{0: 2}, cpuset.Set{0, 1}, 1},
		{map[int]int{0: 4, 1: 4}, cpuset.Set{0, 1}, -1},
		{map[int]int{0: 5, 1: 4}, cpuset.Set{0, 1}, -1},
		{map[int]int{0: 5, 1: 3}, cpuset.Set{0, 1}, 1},
		{map[int]int{0: 5, 1: 3, 2: 1}, cpuset.Set{0, 1, 2, 3}, 3},
		{map[int]int{0: 5, 1: 3, 2: 1}, cpuset.Set{0, 1}, 1},
		{map[int]int{0: 5}, cpuset.Set{0}, -1},
	} {
		if got := lessBusy(c.counts, 0, c.may); got != c.want {
			t.Errorf("%v of %v: %d, want %d", c.counts, c.may, got, c.want)
		}
	}
}

// TestSpread: who waits beside others on one processor goes to a free one, and may
// use all of its own afterwards.
func TestSpread(t *testing.T) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	may, err := cpuset.Of(0)
	if err != nil {
		t.Fatal(err)
	}
	s := segment(t, 4)
	n, err := Open(s, 0, new(counter))
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	// ask lets n look while the others wait on the processor that it is on.
	ask := func() (from, to int) {
		n.spread.next.Store(0)
		atomic.StoreInt64(&s.hdr.looked, 0)
		atomic.StoreUint64(&n.own.seat, 0)
		from = cpu(t)
		for i := 1; i < 4; i++ {
			slot := s.slot(i)
			atomic.StoreUint32(&slot.state, alive)
			atomic.StoreUint64(&slot.seat, uint64(seatOf(from, hostclock.Shared().Now())))
		}
		n.Spread()
		return from, cpu(t)
	}
	moved := 0
	for range 20 { // the kernel may move it, too
		if from, to := ask(); to != from {
			moved++
			if atomic.LoadUint64(&n.own.seat) == 0 {
				t.Fatal("it has not said where it is")
			}
		}
		if now, err := cpuset.Of(0); err != nil || !slices.Equal(now, may) {
			t.Fatalf("its processors are %v, they were %v (%v)", now, may, err)
		}
	}
	if len(may) > 1 && moved == 0 {
		t.Error("it stayed with the others, 20 times")
	}

	// Whose turn it is not does not look.
	n.spread.next.Store(0)
	atomic.StoreInt64(&s.hdr.looked, math.MaxInt64)
	atomic.StoreUint64(&n.own.seat, 0)
	if n.Spread(); seat(n.own.seat) == 0 || atomic.LoadInt64(&s.hdr.looked) != math.MaxInt64 {
		t.Error("it has not noted where it is, or looked though another had")
	}

	// Bound to one processor it stays there, and does not ask again.
	if err := may[:1].Bind(); err != nil {
		t.Fatal(err)
	}
	defer may.Bind()
	if from, to := ask(); from != to || n.spread.next.Load() != math.MaxInt64 {
		t.Errorf("bound to %d it went to %d", from, to)
	}
}

func cpu(t *testing.T) int {
	t.Helper()
	n, err := cpuset.Current()
	if err != nil {
		t.Fatal(err)
	}
	return n
}
