package spin

import (
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// Two goroutines that wake each other lose no ring, whatever the scheduler does.
func TestBellPingPong(t *testing.T) {
	for _, procs := range []int{1, 2, 4} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		var there, back Bell
		var turn atomic.Int32
		const rounds = 20000
		var joined sync.WaitGroup
		joined.Go(func() {
			for i := range int32(rounds) {
				for turn.Load() != 2*i+1 {
					there.Wait()
				}
				turn.Add(1)
				back.Ring()
			}
		})
		for i := range int32(rounds) {
			turn.Add(1)
			there.Ring()
			for turn.Load() != 2*i+2 {
				back.Wait()
			}
		}
		joined.Wait()
	}
}

// Rings from many goroutines may become one, but the last is heard.
func TestBellOfMany(t *testing.T) {
	var b Bell
	var n atomic.Int32
	const ringers, rings = 8, 2000
	for range ringers {
		go func() {
			for i := range rings {
				n.Add(1)
				b.Ring()
				if i%16 == 0 {
					runtime.Gosched()
				}
			}
		}()
	}
	for n.Load() < ringers*rings {
		b.Wait()
	}
}

// A ring before the wait is not lost, two are one, and stacks can be taken and the
// garbage collected while somebody sleeps.
func TestBellKeepsARing(t *testing.T) {
	b := new(Bell)
	b.Ring()
	b.Ring()
	b.Wait()
	woken := make(chan struct{})
	go func() { b.Wait(); close(woken) }()
	for range 3 {
		runtime.GC()
		buf := make([]byte, 1<<16)
		runtime.Stack(buf, true)
	}
	select {
	case <-woken:
		t.Fatal("two rings before the wait were two")
	default:
	}
	b.Ring()
	<-woken
}

func BenchmarkBell(b *testing.B) {
	var there, back Bell
	n := b.N
	go func() {
		for range n {
			there.Wait()
			back.Ring()
		}
	}()
	for range n {
		there.Ring()
		back.Wait()
	}
}
