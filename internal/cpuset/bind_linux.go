package cpuset

import (
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// words is the kernel's form of a set: a bit for each CPU.
type words [(MaxCPU + 1) / 64]uint64

// Of is the CPUs that a process (0: the calling thread) may use.
func Of(pid int) (Set, error) {
	var w words
	n, _, errno := unix.RawSyscall(unix.SYS_SCHED_GETAFFINITY, uintptr(pid), unsafe.Sizeof(w), uintptr(unsafe.Pointer(&w)))
	if errno != 0 {
		return nil, os.NewSyscallError("sched_getaffinity", errno)
	}
	var s Set
	for cpu := range int(n) * 8 {
		if w[cpu/64]&(1<<(cpu%64)) != 0 {
			s = append(s, cpu)
		}
	}
	return s, nil
}

// Allowed is the CPUs that this process may use.
func Allowed() (Set, error) { return Of(os.Getpid()) }

// Bind binds the calling thread, which must be locked to its goroutine, and all
// that it starts from now on.
func (s Set) Bind() error {
	var w words
	for _, cpu := range s {
		if cpu < 0 || cpu > MaxCPU {
			return fmt.Errorf("no CPU has the number %d", cpu)
		}
		w[cpu/64] |= 1 << (cpu % 64)
	}
	_, _, errno := unix.RawSyscall(unix.SYS_SCHED_SETAFFINITY, 0, unsafe.Sizeof(w), uintptr(unsafe.Pointer(&w)))
	if errno != 0 {
		return fmt.Errorf("binding to %s: %w", s.Label(), errno)
	}
	return nil
}
