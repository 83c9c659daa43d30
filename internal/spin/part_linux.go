package spin

import (
	"runtime"
	"unsafe"

	"golang.org/x/sys/unix"
)

// part never blocks for long: the kernel moves the thread before the call returns.
func part() bool {
	runtime.LockOSThread() // the mask is this thread's
	defer runtime.UnlockOSThread()
	var all unix.CPUSet
	if unix.SchedGetaffinity(0, &all) != nil {
		return false
	}
	var cpu uint32
	if _, _, no := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); no != 0 {
		return false
	}
	others := all
	others.Clear(int(cpu))
	if others.Count() == 0 || unix.SchedSetaffinity(0, &others) != nil {
		return false
	}
	unix.SchedSetaffinity(0, &all)
	return true
}
