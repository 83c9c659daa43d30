//go:build !linux

package tcp

import "net"

// overdue is known on Linux only; elsewhere the kernel's own patience counts.
func overdue(*net.TCPConn) bool { return false }
