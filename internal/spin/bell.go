package spin

import (
	"sync/atomic"
	"unsafe"
)

// A Bell has a goroutine sleep until another rings: a channel of capacity 1 without
// the channel. Rings before the sleeper has woken up are one. The zero Bell is silent.
type Bell struct {
	// sleeper is the goroutine that sleeps, 0, or rung.
	sleeper uint64
}

const rung = 1

// Ring wakes who sleeps, or the next Wait returns at once. Safe for concurrent use.
func (b *Bell) Ring() {
	if g := atomic.SwapUint64(&b.sleeper, rung); g > rung {
		Ready(uintptr(g))
	}
}

// Wait sleeps until the bell is rung. A bell that has rung before silences itself
// instead, so who waits again and again for what a ring has announced looks twice
// before it sleeps. One goroutine at a time.
func (b *Bell) Wait() {
	if atomic.LoadUint64(&b.sleeper) == rung {
		atomic.StoreUint64(&b.sleeper, 0)
		return
	}
	Park(fallAsleep, unsafe.Pointer(b))
}

// Silence has the bell forget earlier rings. It may also miss those that come before
// the caller's next locked instruction.
func (b *Bell) Silence() { Store(&b.sleeper, 0) }

//go:nosplit
func fallAsleep(g uintptr, b unsafe.Pointer) bool {
	return atomic.CompareAndSwapUint64(&(*Bell)(b).sleeper, 0, uint64(g))
}
