package shm

import (
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"
)

// createFile returns size bytes of zeroed memory as a file that can neither
// shrink nor grow. Its pages come into being when they are first touched.
func createFile(size int64) (*os.File, error) {
	fd, err := unix.MemfdCreate("gridrun", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		return nil, os.NewSyscallError("memfd_create", err)
	}
	f := os.NewFile(uintptr(fd), "memfd:gridrun")
	err = f.Truncate(size)
	if err == nil {
		_, err = unix.FcntlInt(f.Fd(), unix.F_ADD_SEALS, unix.F_SEAL_SHRINK|unix.F_SEAL_GROW|unix.F_SEAL_SEAL)
		err = os.NewSyscallError("fcntl F_ADD_SEALS", err)
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return f, nil
}

func mapFile(f *os.File, size int) ([]byte, error) {
	b, err := unix.Mmap(int(f.Fd()), 0, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	return b, os.NewSyscallError("mmap", err)
}

// wipe gives the pages of b back to the system; read again, they are zero.
func wipe(b []byte) error { return os.NewSyscallError("madvise", unix.Madvise(b, unix.MADV_REMOVE)) }

func unmap(b []byte) error { return os.NewSyscallError("munmap", unix.Munmap(b)) }

// Operations of futex(2), without FUTEX_PRIVATE_FLAG: the words are shared.
const (
	futexWaitOp = 0
	futexWakeOp = 1
)

// futexWait blocks while *w == old, at most timeout nanoseconds when that is
// positive. It may return early. The scheduler knows that the thread blocks.
func futexWait(w *uint32, old uint32, timeout int64) {
	var ts *unix.Timespec
	if timeout > 0 {
		t := unix.NsecToTimespec(timeout)
		ts = &t
	}
	syscall.Syscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), futexWaitOp, uintptr(old), uintptr(unsafe.Pointer(ts)), 0, 0)
}

// futexWake wakes who waits at w; it never blocks.
func futexWake(w *uint32) {
	syscall.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), futexWakeOp, 1<<30, 0, 0, 0)
}
