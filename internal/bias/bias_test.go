package bias

import (
	"math/rand/v2"
	"runtime"
	"sync"
	"testing"
	"time"
)

// guarded is what a Mutex guards: the two are never different outside.
type guarded struct {
	mu   Mutex
	a, b int
}

func (x *guarded) add(t *testing.T) {
	x.mu.Lock()
	if x.a != x.b {
		t.Errorf("%d and %d: two were in at a time", x.a, x.b)
	}
	x.a++
	x.b++
	x.mu.Unlock()
}

func TestOneAfterTheOther(t *testing.T) {
	Prepare()
	var x guarded
	const n = 10 * firstRow
	for range n {
		x.add(t)
	}
	if possible && x.mu.held == nil {
		t.Error("not biased to the only one who takes it")
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		x.add(t)
		if x.mu.seat.Load() != nil {
			t.Error("still biased when another has taken it")
		}
	}()
	<-done
	for range n {
		x.add(t)
	}
	if possible && x.mu.held == nil {
		t.Error("not biased once more")
	}
	if x.a != 2*n+1 {
		t.Errorf("%d times in instead of %d", x.a, 2*n+1)
	}
}

// One goroutine takes the lock in long rows, the others at random moments; who is in
// is sometimes interrupted.
func TestTogether(t *testing.T) {
	Prepare()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(4))
	var x guarded
	var wg sync.WaitGroup
	stop := time.Now().Add(500 * time.Millisecond)
	took := make([]int, 5)
	for i := range took {
		wg.Go(func() {
			row := []int{20000, 5000, 300, 1, 1}[i]
			rnd := rand.New(rand.NewPCG(uint64(i), 1))
			for time.Now().Before(stop) {
				for range 1 + rnd.IntN(row) {
					x.add(t)
					took[i]++
				}
				if rnd.IntN(50) == 0 {
					x.mu.Lock()
					runtime.Gosched()
					x.mu.Unlock()
				}
				for range rnd.IntN(3000) {
					runtime.Gosched()
				}
			}
		})
	}
	wg.Wait()
	sum := 0
	for _, n := range took {
		sum += n
	}
	if x.a != sum || x.b != sum {
		t.Errorf("counted %d and %d of %d", x.a, x.b, sum)
	}
}

func BenchmarkMutex(b *testing.B) {
	Prepare()
	var m Mutex
	for b.Loop() {
		m.Lock()
		m.Unlock()
	}
}

// BenchmarkBothWays is the worst case: two take turns after rows just long enough.
func BenchmarkBothWays(b *testing.B) {
	Prepare()
	var m Mutex
	turn := make(chan bool)
	go func() {
		for range turn {
			m.Lock()
			m.Unlock()
			turn <- true
		}
	}()
	for b.Loop() {
		for range mostRow {
			m.Lock()
			m.Unlock()
		}
		turn <- true
		<-turn
	}
	close(turn)
}
