package transporttest

import (
	"errors"
	"os"
	"runtime"
	"testing"
	"time"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

var errGone = errors.New("killed by the test")

// testKill kills one of three: what it had sent arrives where nothing is lost
// with it, then Down comes, once; the others go on.
func testKill(t *testing.T, connect Connect) {
	j := newJob(t, 3, connect, nil, false)
	const n = 5
	for i := range n {
		j.nets[0].Link(1).Post(frame(wire.Eager, 0, 1, i, noise(1000, uint64(i))))
	}
	j.drive(0)
	j.drive(2)
	j.rec[0].UntilSent(n)
	_, poller := j.nets[1].(transport.Poller)
	if !poller {
		j.rec[1].UntilArrived(n)
	}
	j.nets[1].Kill(0, errGone)
	j.nets[1].Kill(0, errors.New("a second Kill counts for nothing"))
	j.drive(1)
	j.rec[1].Until("Down of process 0", func() bool { return len(j.rec[1].Downs(0)) > 0 })
	checkOrder(t, j.rec[1].Events(0), 0, 1, n)
	if err := j.rec[1].Downs(0)[0]; !errors.Is(err, errGone) {
		t.Errorf("Down says %v, Kill said %v", err, errGone)
	}
	j.nets[1].Link(0).Post(frame(wire.Eager, 1, 0, 0, nil))
	j.nets[1].Link(0).Post(frame(wire.Data, 1, 0, 1, noise(100_000, 1)))
	j.rec[1].UntilSent(2)
	if _, _, failed := j.rec[1].Counts(); failed != 2 {
		t.Errorf("%d of 2 frames to a killed process failed", failed)
	}

	j.nets[1].Link(2).Post(frame(wire.Eager, 1, 2, 0, noise(10, 1)))
	j.nets[2].Link(1).Post(frame(wire.Data, 2, 1, 0, noise(100_000, 2)))
	j.rec[2].UntilArrived(1)
	j.rec[1].UntilArrived(n + 1)
	checkOrder(t, j.rec[1].Events(2), 2, 1, 1)
	checkOrder(t, j.rec[2].Events(1), 1, 2, 1)
}

// testKillQueued kills a process that has not taken what is queued for it:
// every frame comes back.
func testKillQueued(t *testing.T, connect Connect) {
	j := newJob(t, 2, connect, nil, false)
	j.drive(0)
	const n = 1000
	for i := range n {
		j.nets[0].Link(1).Post(frame(wire.Data, 0, 1, i, noise(10_000, uint64(i))))
	}
	j.nets[0].Kill(1, errGone)
	j.rec[0].UntilSent(n)
	j.rec[0].Until("Down of process 1", func() bool { return len(j.rec[0].Downs(1)) > 0 })
	if _, sent, failed := j.rec[0].Counts(); sent != n || failed == 0 && pollers(j) {
		t.Errorf("%d of %d frames came back, %d failed", sent, n, failed)
	}
}

func pollers(j *job) bool {
	_, ok := j.nets[0].(transport.Poller)
	return ok
}

// testCloseFlushes closes a process that has queued much: all arrives.
func testCloseFlushes(t *testing.T, connect Connect) {
	j := newJob(t, 2, connect, nil, false)
	const n = 100
	for i := range n {
		j.nets[0].Link(1).Post(frame(wire.Data, 0, 1, i, noise(50_000, uint64(i))))
	}
	j.drive(1)
	j.closeOne(0)
	j.rec[1].UntilArrived(n)
	checkOrder(t, j.rec[1].Events(0), 0, 1, n)
	if _, sent, failed := j.rec[0].Counts(); sent != n || failed > 0 {
		t.Errorf("%d of %d frames were sent when Close returned, %d failed", sent, n, failed)
	}
}

// testCloseTogether closes all while all have much queued to each other.
func testCloseTogether(t *testing.T, connect Connect) {
	const n, frames = 3, 20
	j := newJob(t, n, connect, nil, false)
	for src := range n {
		for dst := range n {
			for i := 0; i < frames && src != dst; i++ {
				j.nets[src].Link(dst).Post(frame(wire.Eager, src, dst, i, noise(9000, uint64(i))))
			}
		}
	}
	j.close()
	for i := range n {
		if _, sent, _ := j.rec[i].Counts(); sent != frames*(n-1) {
			t.Errorf("process %d: %d of %d frames came back", i, sent, frames*(n-1))
		}
	}
}

// testCloseEndsPosts posts to a process that has closed, and on a closed network.
func testCloseEndsPosts(t *testing.T, connect Connect) {
	j := newJob(t, 3, connect, nil, true)
	j.nets[1].Link(0).Post(frame(wire.Eager, 1, 0, 0, noise(100, 1)))
	j.rec[0].UntilArrived(1)
	j.closeOne(1)
	const n = 20
	for _, dst := range []int{1, 2} {
		for i := range n {
			j.nets[0].Link(dst).Post(frame(wire.Eager, 0, dst, i, noise(9000, 1)))
		}
	}
	j.rec[2].UntilArrived(n)
	j.rec[0].UntilSent(2 * n)

	j.closeOne(0)
	// Sent is called from Post, which is no event of the network.
	j.rec[0].closed.Store(false)
	for _, dst := range []int{1, 2} {
		_, sent, failed := j.rec[0].Counts()
		j.nets[0].Link(dst).Post(frame(wire.Eager, 0, dst, 0, nil))
		if _, s, f := j.rec[0].Counts(); s != sent+1 || f != failed+1 {
			t.Errorf("Post to %d after Close: Sent %d times, %d with an error", dst, s-sent, f-failed)
		}
	}
	j.rec[0].closed.Store(true)
}

// testCloseLeavesNothing counts goroutines and descriptors.
func testCloseLeavesNothing(t *testing.T, connect Connect) {
	round := func(t *testing.T) {
		j := newJob(t, 5, connect, nil, true)
		for src := range 5 {
			for dst := range 5 {
				if src != dst {
					j.nets[src].Link(dst).Post(frame(wire.Eager, src, dst, 0, noise(100, 1)))
				}
			}
		}
		for i := range 5 {
			j.rec[i].UntilArrived(4)
		}
	}
	t.Run("first", round) // the runtime's own descriptors come into being
	goroutines, files := runtime.NumGoroutine(), openFiles(t)
	t.Run("again", round)
	for end := time.Now().Add(deadline); runtime.NumGoroutine() > goroutines; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d goroutines, there were %d\n%s", runtime.NumGoroutine(), goroutines, stacks())
		}
	}
	if now := openFiles(t); now > files {
		t.Errorf("%d descriptors are open, there were %d", now, files)
	}
}

// openFiles counts this process's descriptors; 0 where the system does not tell.
func openFiles(t *testing.T) int {
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil && runtime.GOOS == "linux" {
		t.Fatal(err)
	}
	return len(entries)
}
