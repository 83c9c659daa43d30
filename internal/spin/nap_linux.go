package spin

import (
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"
)

// Private futexes: the word is this process's own.
const (
	futexWait = 0 | 128
	futexWake = 1 | 128
)

// Nap sleeps for d, not at all once *over is not 0. It is no timer of Go's: while
// one is set, the scheduler reads the clock (50 ns) whenever it switches between
// goroutines.
func Nap(over *uint32, d time.Duration) {
	ts := syscall.NsecToTimespec(int64(d))
	Block(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(over)), futexWait, 0, uintptr(unsafe.Pointer(&ts)), 0, 0)
}

// EndNaps sets *over, and ends the Nap under way.
func EndNaps(over *uint32) {
	atomic.StoreUint32(over, 1)
	syscall.RawSyscall6(syscall.SYS_FUTEX, uintptr(unsafe.Pointer(over)), futexWake, 1, 0, 0, 0)
}
