package spin

import (
	"syscall"
	"time"
	"unsafe"
)

// A Pulse shows a thread that sleeps whether goroutines of its process poll, so that
// it need not take their processor to see it (BlockWhile).
type Pulse struct {
	turns, attention *uint64
	tick, again      syscall.Timespec
}

// NewPulse makes one that is looked at every tick: turns moves on whenever
// a goroutine begins to poll, attention is not 0 while one does.
func NewPulse(turns, attention *uint64, tick time.Duration) *Pulse {
	return &Pulse{
		turns: turns, attention: attention,
		tick: syscall.NsecToTimespec(int64(tick)), again: syscall.NsecToTimespec(int64(tick / 8)),
	}
}

// BlockWhile is Block for a call whose fourth argument is a timeout; late is its
// error, or 0 with the result 0, when that is over. The call is made again for as
// long as p shows that goroutines poll: a tick of that costs two switches between
// threads, where one that came back to Go's scheduler would take 20 to 100 us, as it
// has other threads look for work, too. Where nobody polls at the end of a tick, though
// some did during it, the next look is an eighth of a tick later.
//
//go:nosplit
//go:norace
//go:uintptrescapes
func BlockWhile(p *Pulse, late syscall.Errno, trap, a1, a2, a3, a5, a6 uintptr) (r uintptr, no syscall.Errno) {
	entersyscallblock()
	wait := &p.tick
	for last := *p.turns; ; {
		r, _, no = syscall.RawSyscall6(trap, a1, a2, a3, uintptr(unsafe.Pointer(wait)), a5, a6)
		now := *p.turns
		if no != late || no == 0 && r != 0 || now == last {
			break
		}
		last = now
		if wait == &p.tick && *p.attention == 0 {
			wait = &p.again
		} else {
			wait = &p.tick
		}
	}
	exitsyscall()
	return r, no
}
