//go:build !linux

package tcp

import (
	"net"
	"sync/atomic"

	"gridrun/internal/transport"
)

// gatherer exists on Linux only; elsewhere a writer goroutine writes everything.
type gatherer struct{}

func newGatherer(net.Conn) *gatherer { return nil }

func (*gatherer) write([][]byte, bool) (int, error) { return 0, nil }

// overdue is known on Linux only; elsewhere the kernel's own patience counts.
func overdue(int) bool { return false }

// hurry is of use on Linux only.
func hurry(*net.TCPConn) {}

// Polled exists on Linux only; elsewhere goroutines read every connection.
type Polled struct{ begun, closing atomic.Bool }

// Polled returns n: nobody needs to poll it.
func (n *Net) Polled() transport.Network { return n }

func (p *Polled) drive() func()                { return func() {} }
func (p *Polled) shut()                        {}
func (n *Net) attend(*link)                    {}
func (n *Net) watchFor(*link)                  {}
func (n *Net) carry(_ *link, c net.Conn) *conn { return &conn{carrier: newStream(c)} }
