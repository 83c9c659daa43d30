//go:build !linux

package registry

import "net"

// trusted relies on the directory, which is the user's alone.
func trusted(*net.UnixConn) bool { return true }
