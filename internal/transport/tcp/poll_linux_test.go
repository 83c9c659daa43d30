package tcp

import (
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gridrun/internal/spin"
	"gridrun/internal/transport"
	"gridrun/internal/transport/transporttest"
)

func descriptors(t *testing.T) int {
	t.Helper()
	names, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(names)
}

func TestPolledLeavesNoDescriptor(t *testing.T) {
	noGoroutineStays(t)
	before := descriptors(t)
	for range 3 {
		recs, sinks := recorders(t, 3)
		m := newMesh(t, sinks, nil)
		for i := range sinks {
			for j := range sinks {
				if i != j {
					m.nets[i].Link(j).Post(eager(0, pattern(i, 100)))
				}
			}
		}
		for _, r := range recs {
			r.UntilArrived(2)
		}
		for i := range sinks {
			for j := range sinks {
				if i != j && !m.nets[i].link(j).conn.polled {
					t.Errorf("process %d reads from %d with a goroutine", i, j)
				}
			}
		}
		for _, err := range m.close() {
			if err != nil {
				t.Error(err)
			}
		}
	}
	eventually(t, "descriptors to be closed", func() bool { return descriptors(t) <= before })
}

// Before the first connection there is no descriptor, and who sleeps wakes up when
// woken and when that connection brings something.
func TestPolledBeginsWithTheFirstSocket(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 2)
	before := descriptors(t)
	m := newMesh(t, sinks, func(m *mesh, _ *Config) { m.undriven = true })
	if now := descriptors(t); now > before+2 { // the listener, and the runtime's own epoll set
		t.Errorf("%d descriptors more for networks without a connection", now-before)
	}
	p := m.polled[1].(*Polled)
	if p.Poll() != 0 || p.Watch(false) {
		t.Error("a network without a connection delivers")
	}
	for which := range 2 {
		p.Wake()
		p.Sleep(which, 0) // returns at once: it has been woken since
		woken := make(chan struct{})
		go func() {
			p.Sleep(which, 0)
			close(woken)
		}()
		eventually(t, "a sleeper to sleep", p.asleep[which].Load)
		p.Wake()
		<-woken
	}
	p.Sleep(0, int64(time.Millisecond)) // returns

	var joined sync.WaitGroup
	var over atomic.Bool
	for i, n := range m.polled {
		joined.Go(func() {
			for q := n.(*Polled); !over.Load(); {
				q.Poll()
				q.Watch(false)
				q.Sleep(i, 0) // one as the holder of the token, one as the background poller
			}
		})
	}
	m.nets[0].Link(1).Post(eager(0, pattern(0, 100)))
	recs[1].UntilArrived(1)
	over.Store(true)
	for _, n := range m.polled {
		n.(*Polled).Wake()
	}
	joined.Wait()
	for _, err := range m.close() {
		if err != nil {
			t.Error(err)
		}
	}
}

// After Close all methods of a Poller return at once and do nothing.
func TestPolledAfterClose(t *testing.T) {
	_, sinks := recorders(t, 1)
	m := newMesh(t, sinks, func(m *mesh, _ *Config) { m.undriven = true })
	p := m.polled[0].(transport.Poller)
	if err := m.leave(0); err != nil {
		t.Fatal(err)
	}
	p.Watch(true)
	if p.Poll() != 0 || p.Watch(false) {
		t.Error("a closed network delivers")
	}
	p.Wake()
	p.Sleep(0, 0)
	p.Sleep(1, 0)
	p.Doze(spin.NewPulse(new(uint64), new(uint64), time.Hour))
	p.Nudge(0)
}

// A reader that polls stops wherever the bytes end, and goes on there.
func TestInputStopsAnywhere(t *testing.T) {
	b := encoded(eager(0, pattern(0, 100)), data(1, pattern(1, 300)), data(2, nil), eager(1, nil), newFarewell())
	for _, step := range []int{1, 2, 3, 71, 72, 73, 1000} {
		r := transporttest.NewRecorder(t)
		src := &chopped{b: b, step: step}
		in := newInput(src, 1, r)
		var err error
		for {
			if _, err = in.run(); err != errAgain {
				break
			}
			src.ready = true
		}
		if err != transport.ErrLeft {
			t.Errorf("steps of %d bytes: %v", step, err)
		}
		events := r.Events(1)
		if len(events) < 3 || string(events[0].Bytes) != string(pattern(0, 100)) || string(events[1].Bytes) != string(pattern(1, 300)) {
			t.Errorf("steps of %d bytes: %d events, or changed ones", step, len(events))
		}
	}
}

// chopped brings step bytes and then nothing, until it is made ready again.
type chopped struct {
	b     []byte
	step  int
	ready bool
}

func (c *chopped) read(a, b []byte) (int, error) {
	if !c.ready {
		return 0, errAgain
	}
	c.ready = false
	n := copy(a, c.b[:min(c.step, len(c.b))])
	n += copy(b, c.b[n:min(c.step, len(c.b))])
	c.b = c.b[n:]
	return n, nil
}
