package shm

import (
	"errors"
	"fmt"
	"os"
	"syscall"
	"unsafe"

	"golang.org/x/sys/unix"

	"gridrun/internal/spin"
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
	switch {
	case errors.Is(err, unix.EFBIG):
		err = fmt.Errorf("%w, see ulimit -f", err)
	case err == nil:
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

// readMemory fills dst from address addr of process pid. The scheduler knows
// that the thread may block.
func readMemory(pid int, dst []byte, addr uint64) error {
	for len(dst) > 0 {
		local := unix.Iovec{Base: &dst[0]}
		local.SetLen(len(dst))
		remote := unix.RemoteIovec{Base: uintptr(addr), Len: len(dst)}
		n, err := unix.ProcessVMReadv(pid, []unix.Iovec{local}, []unix.RemoteIovec{remote}, 0)
		if err != nil {
			return os.NewSyscallError("process_vm_readv", err)
		}
		if n == 0 {
			return os.NewSyscallError("process_vm_readv", unix.EFAULT)
		}
		dst = dst[n:]
		addr += uint64(n)
	}
	return nil
}

// writeMemory copies src to address addr of process pid.
func writeMemory(pid int, src []byte, addr uint64) error {
	for len(src) > 0 {
		local := unix.Iovec{Base: &src[0]}
		local.SetLen(len(src))
		remote := unix.RemoteIovec{Base: uintptr(addr), Len: len(src)}
		n, err := unix.ProcessVMWritev(pid, []unix.Iovec{local}, []unix.RemoteIovec{remote}, 0)
		if err != nil {
			return os.NewSyscallError("process_vm_writev", err)
		}
		if n == 0 {
			return os.NewSyscallError("process_vm_writev", unix.EFAULT)
		}
		src = src[n:]
		addr += uint64(n)
	}
	return nil
}

// allowSiblings lets what the parent has started, the ranks of this host, read
// this process's memory where Yama allows it to descendants only. Without Yama
// it does nothing.
func allowSiblings() {
	_ = unix.Prctl(unix.PR_SET_PTRACER, uintptr(os.Getppid()), 0, 0, 0)
}

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
	spin.Block(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), futexWaitOp, uintptr(old), uintptr(unsafe.Pointer(ts)), 0, 0)
}

// futexNap is futexWait for a short time, of which Go's scheduler does not know: it
// keeps the goroutine's place. It returns true at the end of that time. A signal ends
// it early, so the garbage collector, which sends one, does not wait for it.
func futexNap(w *uint32, old uint32, timeout int64) (over bool) {
	ts := unix.NsecToTimespec(timeout)
	_, _, no := syscall.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), futexWaitOp, uintptr(old), uintptr(unsafe.Pointer(&ts)), 0, 0)
	return no == unix.ETIMEDOUT
}

// futexDoze blocks while *w == old and p shows that others poll.
func futexDoze(w *uint32, old uint32, p *spin.Pulse) {
	spin.BlockWhile(p, unix.ETIMEDOUT, unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), futexWaitOp, uintptr(old), 0, 0)
}

// futexWake wakes who waits at w; it never blocks.
func futexWake(w *uint32) {
	syscall.RawSyscall6(unix.SYS_FUTEX, uintptr(unsafe.Pointer(w)), futexWakeOp, 1<<30, 0, 0, 0)
}

// Commands of membarrier(2).
const (
	barrierQuery    = 0
	barrierOthers   = 1 << 1 // MEMBARRIER_CMD_GLOBAL_EXPEDITED
	barrierRegister = 1 << 2 // MEMBARRIER_CMD_REGISTER_GLOBAL_EXPEDITED
)

// canFence tells whether fenceOthers works here.
func canFence() bool {
	mask, _, err := syscall.RawSyscall(unix.SYS_MEMBARRIER, barrierQuery, 0, 0)
	return err == 0 && mask&barrierOthers != 0
}

// fenceOthers has every running thread of every process that has called beFenced
// pass a full memory barrier: about 1 us, no blocking. Where the kernel has no memory for
// its list of processors at the moment it is asked again: a wake-up could be lost.
func fenceOthers() {
	for {
		if _, _, no := syscall.RawSyscall(unix.SYS_MEMBARRIER, barrierOthers, 0, 0); no != unix.ENOMEM {
			return
		}
		spin.Yield()
	}
}

// beFenced has others' fenceOthers reach this process. It takes milliseconds, as
// the kernel waits until all processors have noticed.
func beFenced() bool {
	_, _, err := syscall.Syscall(unix.SYS_MEMBARRIER, barrierRegister, 0, 0)
	return err == 0
}
