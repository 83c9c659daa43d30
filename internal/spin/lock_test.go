package spin

import (
	"runtime"
	"sync"
	"testing"
)

// Nobody is in who should not be, whoever is interrupted where.
func TestLockExcludes(t *testing.T) {
	for _, procs := range []int{1, 2, 8} {
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(procs))
		var l Lock
		var joined sync.WaitGroup
		const goroutines, rounds = 16, 2000
		inside, n := 0, 0
		for g := range goroutines {
			joined.Go(func() {
				for i := range rounds {
					l.Lock()
					if inside++; inside != 1 {
						t.Errorf("%d inside", inside)
					}
					if n++; (i+g)%97 == 0 {
						runtime.Gosched()
					}
					inside--
					l.Unlock()
				}
			})
		}
		joined.Wait()
		if n != goroutines*rounds {
			t.Fatalf("%d of %d rounds", n, goroutines*rounds)
		}
	}
}

func BenchmarkLock(b *testing.B) {
	var l Lock
	for b.Loop() {
		l.Lock()
		l.Unlock()
	}
}
