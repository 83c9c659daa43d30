//go:build !linux

package tcp

import "net"

// gatherer exists on Linux only; elsewhere a writer goroutine writes everything.
type gatherer struct{}

func newGatherer(net.Conn) *gatherer { return nil }

func (*gatherer) write([][]byte, bool) (int, error) { return 0, nil }
