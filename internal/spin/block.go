package spin

import (
	"syscall"
	_ "unsafe" // for linkname
)

// Block is syscall.Syscall6 for a call that blocks until another process does
// something. Syscall6 keeps the goroutine's place in Go's scheduler for a call that
// may return soon: for up to 10 ms the runtime's monitor then wakes up every 20 us,
// some 60 times, to see whether it has. With 93 processes on 2 processors these
// wake-ups were three of five context switches. Block gives the place up at once;
// see docs/decisions/0009.
//
//go:nosplit
//go:uintptrescapes
func Block(trap, a1, a2, a3, a4, a5, a6 uintptr) (r uintptr, no syscall.Errno) {
	entersyscallblock()
	r, _, no = syscall.RawSyscall6(trap, a1, a2, a3, a4, a5, a6)
	exitsyscall()
	return r, no
}

//go:linkname entersyscallblock runtime.entersyscallblock
func entersyscallblock()

//go:linkname exitsyscall runtime.exitsyscall
func exitsyscall()
