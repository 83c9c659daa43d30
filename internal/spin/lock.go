//go:build !race

package spin

import (
	"runtime"
	"sync/atomic"
	"time"
)

// A Lock is a mutex for a few instructions at a time: who finds it taken does not
// sleep but lets others run. Unlocking is a plain store (see Store), so a lock that
// nobody else wants costs half of a sync.Mutex. The zero Lock is free.
type Lock struct{ taken uint64 }

func (l *Lock) Lock() {
	if !atomic.CompareAndSwapUint64(&l.taken, 0, 1) {
		l.wait()
	}
}

func (l *Lock) Unlock() { Store(&l.taken, 0) }

// What a waiter does between two looks: first it may be the other processor that
// holds the lock, then a goroutine of this one or another process's thread that has
// to run, then something that takes long, as the garbage collector.
const (
	lockPauses = 100
	lockYields = 1000
	lockSleep  = 50 * time.Microsecond
)

func (l *Lock) wait() {
	for i := 0; ; i++ {
		switch {
		case i < lockPauses:
			Pause()
		case i < lockYields:
			runtime.Gosched()
			Yield()
		default:
			time.Sleep(lockSleep)
		}
		if atomic.LoadUint64(&l.taken) == 0 && atomic.CompareAndSwapUint64(&l.taken, 0, 1) {
			return
		}
	}
}
