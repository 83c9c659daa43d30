// Package mem carries frames between processes that are one process: goroutine
// ranks, tests, and a process's way to itself. Post calls the receiving sink on
// the poster's stack, so a message is copied once, from the sender's memory to
// the receiver's, and nobody has to be woken who is not waiting.
package mem

import (
	"sync/atomic"

	"gridrun/internal/transport"
)

// A Hub joins n sinks.
type Hub struct{ nets []*Net }

// NewHub returns a hub with one Net for each sink.
func NewHub(sinks []transport.Sink) *Hub {
	h := &Hub{nets: make([]*Net, len(sinks))}
	for i, s := range sinks {
		h.nets[i] = &Net{hub: h, me: i, sink: s, down: make([]atomic.Pointer[error], len(sinks))}
	}
	return h
}

// Net returns process i's network.
func (h *Hub) Net(i int) *Net { return h.nets[i] }

// A Net is one process's place at the hub.
type Net struct {
	hub    *Hub
	me     int
	sink   transport.Sink
	down   []atomic.Pointer[error] // by peer: why it is gone
	closed atomic.Bool
}

// Link implements transport.Network.
func (n *Net) Link(p int) transport.Link { return &link{from: n, to: n.hub.nets[p]} }

// Kill implements transport.Network. What p had sent has been delivered.
func (n *Net) Kill(p int, err error) {
	if n.down[p].CompareAndSwap(nil, &err) {
		n.sink.Down(p, err)
	}
}

// Close implements transport.Network: posts are synchronous, so nothing is queued.
func (n *Net) Close() error {
	if n.closed.Swap(true) {
		return nil
	}
	for _, peer := range n.hub.nets {
		if peer != n && !peer.closed.Load() {
			peer.Kill(n.me, transport.ErrLeft)
		}
	}
	return nil
}

type link struct{ from, to *Net }

// Post implements transport.Link.
func (l *link) Post(f *transport.Frame) {
	if err := l.from.down[l.to.me].Load(); err != nil {
		l.from.sink.Sent(f, *err)
		return
	}
	if l.to.closed.Load() {
		l.from.sink.Sent(f, transport.ErrLeft)
		return
	}
	deliver(l.to.sink, l.from.me, f)
	l.from.sink.Sent(f, nil)
}

// Loop is the link of a process to itself.
func Loop(me int, sink transport.Sink) transport.Link { return loop{me, sink} }

type loop struct {
	me   int
	sink transport.Sink
}

// Post implements transport.Link.
func (l loop) Post(f *transport.Frame) {
	deliver(l.sink, l.me, f)
	l.sink.Sent(f, nil)
}
