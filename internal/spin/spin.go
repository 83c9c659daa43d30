// Package spin has what a loop that waits for another processor does between
// two looks: Pause for looks a few nanoseconds apart, Yield when whoever is
// waited for may need this very processor, Block when it is to sleep in a system
// call. Store is the cheapest way to show such a loop something, CopyOver the fastest
// to write what it will read; Claim and Fetch have cache lines come in time.
// Among the goroutines of one process Park and Ready are a sleep and the end of it, a
// Bell is made of them, Pass lets others run; Lock is a lock held for a few
// instructions, and Nap a sleep that is no timer of the scheduler's.
package spin

import "sync/atomic"

// Pause tells the processor that this is a waiting loop (PAUSE, YIELD): the
// other thread of its core runs faster, and leaving the loop costs no
// mispredicted memory order. It takes 10 to 100 ns.
func Pause() { pause() }

// Yield lets other processes run (sched_yield). It never blocks, so it needs no
// hand-over of this thread's processor to Go's scheduler.
func Yield() { yield() }

// Store sets *p after all stores before it (a release). Unlike those of
// sync/atomic it does not wait until other processors see it: a load that follows
// may come first.
func Store(p *uint64, v uint64) { store(p, v) }

// StorePointer is Store for a pointer.
func StorePointer[T any](p *atomic.Pointer[T], v *T) { storePointer(p, v) }

// copyOverFrom is the length from which CopyOver is worth its start.
const copyOverFrom = 512

// CopyOver copies src to dst, which another processor has read and will read again,
// and which is as long and no part of src.
func CopyOver(dst, src []byte) {
	if len(src) < copyOverFrom {
		copy(dst, src)
		return
	}
	copyOver(dst[:len(src)], src)
}

// Claim has the cache line of p come to this processor, to be written, while the
// program goes on.
func Claim(p *uint64) { claim(p) }

// Fetch has the four cache lines from that of p on come, to be read.
func Fetch(p *uint64) { fetch(p) }
