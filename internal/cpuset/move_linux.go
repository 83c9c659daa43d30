package cpuset

import (
	"os"
	"runtime"
	"slices"
	"unsafe"

	"golang.org/x/sys/unix"
)

// Current is the CPU that the calling thread is on.
func Current() (int, error) {
	var cpu uint32
	if _, _, errno := unix.RawSyscall(unix.SYS_GETCPU, uintptr(unsafe.Pointer(&cpu)), 0, 0); errno != 0 {
		return 0, os.NewSyscallError("getcpu", errno)
	}
	return int(cpu), nil
}

// Move moves the calling thread to one of the CPUs that choose picks from those it
// may use, given where it is now; none: it stays. It may use all of them again
// afterwards, so the kernel can move it back. It takes some 20 us and does not block:
// the kernel moves the thread before the call returns. False: it has not moved.
func Move(choose func(may Set, here int) Set) bool {
	runtime.LockOSThread() // the mask is this thread's
	defer runtime.UnlockOSThread()
	may, err := Of(0)
	if err != nil {
		return false
	}
	here, err := Current()
	if err != nil {
		return false
	}
	to := choose(may, here)
	return len(to) > 0 && to.Bind() == nil && may.Bind() == nil
}

// Part moves the calling thread to another one of the CPUs that it may use; false:
// there is none.
func Part() bool {
	return Move(func(may Set, here int) Set {
		return slices.DeleteFunc(slices.Clone(may), func(cpu int) bool { return cpu == here })
	})
}
