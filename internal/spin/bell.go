package spin

import (
	"sync/atomic"
	"unsafe"
)

// A Bell has a goroutine sleep until another rings: a channel of capacity 1 without
// the channel. Rings before the sleeper has woken up are one. The zero Bell is silent.
type Bell struct {
	// sleeper is the goroutine that sleeps, 0, or rung.
	sleeper atomic.Uintptr
}

const rung = 1

// Ring wakes who sleeps, or the next Wait returns at once. Safe for concurrent use.
func (b *Bell) Ring() {
	if g := b.sleeper.Swap(rung); g > rung {
		Ready(g)
	}
}

// Wait sleeps until the bell has been rung since the last Wait returned. One
// goroutine at a time.
func (b *Bell) Wait() {
	if b.sleeper.Load() != rung {
		Park(fallAsleep, unsafe.Pointer(b))
	}
	b.sleeper.Store(0)
}

//go:nosplit
func fallAsleep(g uintptr, b unsafe.Pointer) bool {
	return (*Bell)(b).sleeper.CompareAndSwap(0, g)
}
