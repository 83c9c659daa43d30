package tcp

import (
	"context"
	"errors"
	"math/rand/v2"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gridrun/internal/transport/transporttest"
)

// slowConn delays every read and write of the handshake by a random while, so
// that the steps of two handshakes interleave in all ways.
type slowConn struct {
	net.Conn
	rnd *rand.Rand // each end's operations come one at a time
	mu  *sync.Mutex
	ops *atomic.Int32
}

func slow(c net.Conn, seed uint64) *slowConn {
	return &slowConn{c, rand.New(rand.NewPCG(seed, 1)), new(sync.Mutex), new(atomic.Int32)}
}

func (c *slowConn) delay() {
	if c.ops.Add(1) > 8 {
		return // the handshake is over
	}
	c.mu.Lock()
	k := c.rnd.IntN(8)
	d := time.Duration(c.rnd.IntN(600)) * time.Microsecond
	c.mu.Unlock()
	switch {
	case k < 3:
	case k < 6:
		for range k {
			runtime.Gosched()
		}
	default:
		time.Sleep(d)
	}
}

func (c *slowConn) Read(b []byte) (int, error)  { c.delay(); return c.Conn.Read(b) }
func (c *slowConn) Write(b []byte) (int, error) { c.delay(); return c.Conn.Write(b) }
func (c *slowConn) CloseWrite() error           { return c.Conn.(*net.TCPConn).CloseWrite() }

// carriers counts the links that are up and checks that both ends of each are
// one connection.
func carriers(t *testing.T, m *mesh, a, b int) (dialer int) {
	t.Helper()
	la, lb := m.nets[a].link(b), m.nets[b].link(a)
	la.mu.Lock()
	ca := la.conn
	la.mu.Unlock()
	lb.mu.Lock()
	cb := lb.conn
	lb.mu.Unlock()
	if ca == nil || cb == nil {
		t.Fatal("frames arrived without a connection")
	}
	if s, ok := ca.carrier.(*stream); ok && s.c.LocalAddr().String() != cb.remote().String() {
		t.Fatalf("process %d uses %v-%v, process %d's leads to %v", a, s.c.LocalAddr(), ca.remote(), b, cb.remote())
	}
	opened := [2]bool{}
	for i, c := range []*conn{ca, cb} {
		opened[i] = strings.HasSuffix(c.remote().String(), m.ln.Addr().String())
	}
	if opened[0] == opened[1] {
		t.Fatalf("opened by %d: %t, by %d: %t", a, opened[0], b, opened[1])
	}
	if opened[0] {
		return a
	}
	return b
}

// Both ends post at the same time: everything arrives once and in order, over
// one connection.
func TestConnectsThatCross(t *testing.T) {
	noGoroutineStays(t)
	rounds := 1500
	if testing.Short() || raceEnabled {
		rounds = 300
	}
	const frames = 6
	var by [2]atomic.Int32
	var wg sync.WaitGroup
	for worker := range 4 {
		wg.Go(func() {
			for round := range rounds / 4 {
				recs, sinks := recorders(t, 2)
				seed := uint64(worker<<20 + round)
				var conns atomic.Uint64
				m := newMesh(t, sinks, func(m *mesh, _ *Config) {
					if round%4 > 0 { // the others cross at full speed, with writev
						m.wrap = func(_ int, _ bool, c net.Conn) net.Conn { return slow(c, seed*8+conns.Add(1)) }
					}
				})
				var start sync.WaitGroup
				start.Add(2)
				var posters sync.WaitGroup
				for i := range 2 {
					posters.Go(func() {
						start.Done()
						start.Wait()
						for k := range frames {
							m.nets[i].Link(1 - i).Post(eager(k, pattern(k, 100*k)))
						}
					})
				}
				posters.Wait()
				recs[0].UntilArrived(frames)
				recs[1].UntilArrived(frames)
				by[carriers(t, m, 0, 1)].Add(1)
				for _, err := range m.close() {
					if err != nil {
						t.Errorf("Close: %v", err)
					}
				}
				inOrder(t, recs[0], 1, frames)
				inOrder(t, recs[1], 0, frames)
				nothingFailed(t, recs)
				if t.Failed() {
					return
				}
			}
		})
	}
	wg.Wait()
	t.Logf("process 0 opened the connection %d times, process 1 %d times", by[0].Load(), by[1].Load())
	if by[0].Load() == 0 {
		t.Error("the lower process never won")
	}
}

func nothingFailed(t *testing.T, recs []*transporttest.Recorder) {
	t.Helper()
	for i, r := range recs {
		if _, _, failed := r.Counts(); failed > 0 {
			t.Errorf("process %d: %d frames came back with an error", i, failed)
		}
		for p := range recs {
			if d := r.Downs(p); len(d) > 0 && !strings.Contains(d[0].Error(), "left") {
				t.Errorf("process %d: Down(%d, %v)", i, p, d)
			}
		}
	}
}

// Every process posts to every other one at the same time.
func TestAllToAllConnects(t *testing.T) {
	noGoroutineStays(t)
	for _, procs := range []int{3, 5, 8} {
		recs, sinks := recorders(t, procs)
		m := newMesh(t, sinks, nil)
		var wg sync.WaitGroup
		const frames = 20
		for i := range procs {
			wg.Go(func() {
				for k := range frames {
					for p := range procs {
						if p != i {
							m.nets[i].Link(p).Post(eager(k, pattern(k, k*50)))
						}
					}
				}
			})
		}
		wg.Wait()
		for i, r := range recs {
			r.UntilArrived(frames * (procs - 1))
			for p := range procs {
				if p != i {
					inOrder(t, r, p, frames)
				}
			}
		}
		for _, err := range m.close() {
			if err != nil {
				t.Errorf("Close: %v", err)
			}
		}
		nothingFailed(t, recs)
	}
}

// The lower process cannot reach the higher one, but the higher one reaches it:
// the parked connection takes over, with all that was queued.
func TestParkedConnectionTakesOver(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 2)
	release := make(chan struct{})
	m := newMesh(t, sinks, func(_ *mesh, c *Config) {
		if c.Proc == 0 {
			c.Dial = func(ctx context.Context, _ int) (net.Conn, error) {
				<-release
				return nil, errors.New("filtered")
			}
		}
	})
	m.nets[0].Link(1).Post(eager(0, nil))
	m.nets[1].Link(0).Post(eager(0, nil))
	l := m.nets[0].link(1)
	eventually(t, "process 1's connection to be parked", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.parked != nil
	})
	close(release)
	recs[0].UntilArrived(1)
	recs[1].UntilArrived(1)
	m.close()
	nothingFailed(t, recs)
}

// With the parked connection and ours both fine, ours is used.
func TestParkedConnectionYields(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 2)
	release := make(chan struct{})
	m := newMesh(t, sinks, func(_ *mesh, c *Config) {
		if dial := c.Dial; c.Proc == 0 {
			c.Dial = func(ctx context.Context, p int) (net.Conn, error) {
				<-release
				return dial(ctx, p)
			}
		}
	})
	m.nets[0].Link(1).Post(eager(0, nil))
	m.nets[1].Link(0).Post(eager(0, nil))
	l := m.nets[0].link(1)
	eventually(t, "process 1's connection to be parked", func() bool {
		l.mu.Lock()
		defer l.mu.Unlock()
		return l.parked != nil
	})
	close(release)
	recs[0].UntilArrived(1)
	recs[1].UntilArrived(1)
	if carriers(t, m, 0, 1) != 0 {
		t.Error("the connection that process 1 opened is used")
	}
	m.close()
	nothingFailed(t, recs)
}

// The higher process's own attempt fails about when the lower one's connection
// arrives: the link is up or down, never both, and tells each frame's end once.
func TestDialFailsWhilePeerConnects(t *testing.T) {
	noGoroutineStays(t)
	for round := range 200 {
		recs, sinks := recorders(t, 2)
		m := newMesh(t, sinks, func(_ *mesh, c *Config) {
			if c.Proc == 1 {
				c.Dial = func(context.Context, int) (net.Conn, error) {
					time.Sleep(time.Duration(round*5) * time.Microsecond)
					return nil, errors.New("filtered")
				}
			}
		})
		m.nets[0].Link(1).Post(eager(0, nil))
		m.nets[1].Link(0).Post(eager(0, nil))
		recs[0].UntilSent(1)
		recs[1].UntilSent(1)
		m.close()
		for i, r := range recs {
			if _, sent, _ := r.Counts(); sent != 1 {
				t.Fatalf("round %d: process %d: %d frames came back, want 1", round, i, sent)
			}
		}
	}
}
