package tcp

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// System calls on sockets that return at once. Telling Go's scheduler of one
// (entersyscall) costs a tenth of a microsecond each way and is of use only when the
// call takes long, so short ones are raw: nothing else runs on this processor
// meanwhile, and a stop of the world waits for as long as the copy takes.

// rawBytes is the most that a raw system call is asked to copy: 20 us.
const rawBytes = 128 << 10

// mostIovecs is how many slices one system call takes.
const mostIovecs = 2*maxBatch + 2

// recvSome fills a, then b, with what is there; no is EAGAIN when that is nothing.
func recvSome(fd int, a, b []byte) (n int, no unix.Errno) {
	if len(b) == 0 {
		return transfer(unix.SYS_RECVFROM, fd, unsafe.Pointer(unsafe.SliceData(a)), len(a), unix.MSG_DONTWAIT, len(a))
	}
	iov := [2]unix.Iovec{iovec(a), iovec(b)}
	m := unix.Msghdr{Iov: &iov[0]}
	m.SetIovlen(len(iov))
	return transfer(unix.SYS_RECVMSG, fd, unsafe.Pointer(&m), unix.MSG_DONTWAIT, 0, len(a)+len(b))
}

// sendSome gives some of what to the kernel; iovecs is memory to work with.
func sendSome(fd int, what [][]byte, iovecs *[mostIovecs]unix.Iovec) (n int, no unix.Errno) {
	const flags = unix.MSG_DONTWAIT | unix.MSG_NOSIGNAL
	if len(what) == 1 {
		a := what[0]
		return transfer(unix.SYS_SENDTO, fd, unsafe.Pointer(unsafe.SliceData(a)), len(a), flags, len(a))
	}
	what = what[:min(len(what), mostIovecs)]
	bytes := 0
	for i, a := range what {
		iovecs[i] = iovec(a)
		bytes += len(a)
	}
	m := unix.Msghdr{Iov: &iovecs[0]}
	m.SetIovlen(len(what))
	n, no = transfer(unix.SYS_SENDMSG, fd, unsafe.Pointer(&m), flags, 0, bytes)
	clear(iovecs[:len(what)])
	return n, no
}

func iovec(a []byte) unix.Iovec {
	v := unix.Iovec{Base: unsafe.SliceData(a)}
	v.SetLen(len(a))
	return v
}

// transfer makes the system call, again where a signal has interrupted it.
func transfer(trap uintptr, fd int, p unsafe.Pointer, x, y, bytes int) (int, unix.Errno) {
	for {
		var n uintptr
		var no unix.Errno
		if bytes <= rawBytes {
			n, _, no = unix.RawSyscall6(trap, uintptr(fd), uintptr(p), uintptr(x), uintptr(y), 0, 0)
		} else {
			n, _, no = unix.Syscall6(trap, uintptr(fd), uintptr(p), uintptr(x), uintptr(y), 0, 0)
		}
		if no == 0 {
			return int(n), 0
		}
		if no != unix.EINTR {
			return 0, no
		}
	}
}
