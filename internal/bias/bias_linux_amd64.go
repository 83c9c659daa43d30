//go:build !race

package bias

import (
	"syscall"

	"gridrun/internal/spin"
)

const possible = true

// enter locks m for the goroutine that it is biased to.
//
//go:noescape
func enter(m *Mutex) bool

// self tells goroutines apart that are there at the same time.
func self() uintptr

// Commands of membarrier(2), whose number this is.
const (
	sysMembarrier    = 324
	privateExpedited = 1 << 3
	registerPrivate  = 1 << 4
)

func register() bool {
	_, _, no := syscall.Syscall(sysMembarrier, registerPrivate, 0, 0)
	return no == 0
}

// fence has every running thread of this process pass a full memory barrier: one or
// two microseconds, no blocking. All fails without it, so where the kernel has no memory
// for its list of processors at the moment it is asked again.
func fence() {
	for {
		if _, _, no := syscall.RawSyscall(sysMembarrier, privateExpedited, 0, 0); no != syscall.ENOMEM {
			return
		}
		spin.Yield()
	}
}
