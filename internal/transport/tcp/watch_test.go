package tcp

import (
	"bytes"
	"net"
	"sync"
	"testing"
	"time"
)

// A process that is suspended, or slow, is not silent: its kernel answers. Its
// peers wait longer than the time after which a silent one is given up, with
// bytes waiting on both sides, and lose nothing. (What happens to silent ones
// needs a network that can be cut: internal/agent has that test.)
func TestSlowIsNotSilent(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 2)
	open := make(chan struct{})
	release := sync.OnceFunc(func() { close(open) })
	first := true
	recs[1].Hook = hookOnce(&first, open)
	const silence = 500 * time.Millisecond
	m := newMesh(t, sinks, func(_ *mesh, c *Config) { c.Silence = silence })
	defer release()     // before the mesh is closed, also when the test fails
	const frames = 4000 // of 8 KiB: more than the kernels' buffers hold
	body := pattern(1, 8<<10)
	for i := range frames {
		m.nets[0].Link(1).Post(eager(i, body))
	}
	time.Sleep(5 * silence) // nothing happens in it: that is the test
	if !m.nets[0].link(1).writes() {
		t.Error("the kernel has taken everything: no window was closed")
	}
	release()
	recs[1].UntilArrived(frames)
	inOrder(t, recs[1], 0, frames)
	if !bytes.Equal(recs[1].Events(0)[frames-1].Bytes, body) {
		t.Error("the last frame is spoilt")
	}
	if d := append(recs[0].Downs(1), recs[1].Downs(0)...); len(d) > 0 {
		t.Error(d)
	}
}

// writes says whether somebody still writes.
func (l *link) writes() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.state == up && !l.free()
}

func TestUnderlying(t *testing.T) {
	a, b := connPair()
	defer a.Close()
	defer b.Close()
	if underlying(a) != a || newStream(a).overdue() {
		t.Error("a TCP connection that owes nothing")
	}
	p, q := net.Pipe()
	defer p.Close()
	defer q.Close()
	if underlying(p) != nil {
		t.Error("a pipe is no TCP connection")
	}
}
