package rundir

import (
	"net"

	"golang.org/x/sys/unix"
)

// Peer asks the kernel which user's process is at the other end; pid is 0 where
// that process is not seen from here.
func Peer(c *net.UnixConn) (uid, pid int, ok bool) {
	raw, err := c.SyscallConn()
	if err != nil {
		return 0, 0, false
	}
	err = raw.Control(func(fd uintptr) {
		cred, err := unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
		if ok = err == nil; ok {
			uid, pid = int(cred.Uid), int(cred.Pid)
		}
	})
	return uid, pid, ok && err == nil
}
