package tcp

import (
	"net"

	"golang.org/x/sys/unix"
)

// overdue looks whether bytes are unacknowledged though they were sent again,
// or questions for a closed window unanswered. (One lost question of a window
// that stays closed is asked again only up to two minutes later.)
func overdue(c *net.TCPConn) bool {
	raw, err := c.SyscallConn()
	if err != nil {
		return false
	}
	var info *unix.TCPInfo
	raw.Control(func(fd uintptr) {
		info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO)
	})
	return err == nil && info != nil && (info.Unacked > 0 && info.Retransmits > 0 || info.Probes > 1)
}
