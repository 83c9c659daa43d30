//go:build linux

package tcp

import (
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"gridrun/internal/transport"
	"gridrun/internal/transport/transporttest"
)

// newLaneMesh is a mesh whose links all have lanes.
func newLaneMesh(t testing.TB, sinks []transport.Sink) *mesh {
	return newMesh(t, sinks, func(_ *mesh, cfg *Config) { cfg.Far = time.Nanosecond })
}

// upLanes returns the lanes of process i's link to j, once there are all.
func upLanes(t testing.TB, m *mesh, i, j int) (all []*link) {
	l := m.nets[i].link(j)
	eventually(t, "all lanes", func() bool {
		l.lanes.mu.Lock()
		defer l.lanes.mu.Unlock()
		all = append([]*link(nil), l.lanes.out...)
		return len(all) == m.nets[i].cfg.Streams
	})
	return all
}

// start has process i open its lanes to j, by two long frames with number 0: the first
// one brings the link up.
func start(t testing.TB, m *mesh, recs []*transporttest.Recorder, i, j int) []*link {
	for k := range 2 {
		m.nets[i].Link(j).Post(data(0, pattern(0, laneFrom)))
		recs[j].Until("the first frames", func() bool { return len(recs[j].Events(i)) > k })
	}
	return upLanes(t, m, i, j)
}

// Long frames come by lanes, whole, both ways and with short ones between, of which
// the order stays; Close has everything sent.
func TestLanesCarryLongFrames(t *testing.T) {
	noGoroutineStays(t)
	before := descriptors(t)
	recs, sinks := recorders(t, 2)
	m := newLaneMesh(t, sinks)
	for i := range 2 {
		start(t, m, recs, i, 1-i)
	}
	const n = 30
	var wg sync.WaitGroup
	for i := range 2 {
		wg.Go(func() {
			l := m.nets[i].Link(1 - i)
			for k := 1; k <= n; k++ {
				l.Post(data(k, pattern(k, laneFrom+k*4099)))
				l.Post(eager(k, pattern(k, k*700)))
			}
		})
	}
	wg.Wait()
	for _, r := range recs {
		r.UntilArrived(2*n + 2)
	}
	const last = 10
	for k := range last { // Close sends what is queued
		m.nets[0].Link(1).Post(data(1000+k, pattern(k, laneFrom+k)))
	}
	if err := m.leave(0); err != nil {
		t.Error(err)
	}
	recs[1].UntilArrived(2*n + 2 + last)
	m.drivers[0] = nil
	for _, err := range m.close() {
		if err != nil {
			t.Error(err)
		}
	}
	for i, r := range recs {
		seq, long := 0, 0
		for _, e := range r.Events(1 - i) {
			if e.Recv >= 1000 {
				if k := int(e.Recv) - 1000; string(e.Bytes) != string(pattern(k, laneFrom+k)) {
					t.Errorf("long frame %d of the last has other bytes", k)
				}
			} else if e.Len >= laneFrom {
				k := int(e.Recv)
				want := laneFrom + k*4099
				if long++; k > 0 && string(e.Bytes) != string(pattern(k, want)) {
					t.Errorf("long frame %d has other bytes", k)
				}
			} else if seq++; int(e.Seq) != seq {
				t.Errorf("short frame %d came as number %d", e.Seq, seq)
			}
		}
		if _, sent, failed := r.Counts(); seq != n || long != n+2 || sent != 2*n+2+last*(1-i) || failed != 0 {
			t.Errorf("process %d: %d short and %d long frames of %d, %d sent, %d failed", i, seq, long, n, sent, failed)
		}
	}
	eventually(t, "descriptors to be closed", func() bool { return descriptors(t) <= before })
}

// One lane of several that breaks, in the middle of a long frame, takes the link
// down at both ends, once, and all frames come back.
func TestLaneBreaks(t *testing.T) {
	noGoroutineStays(t)
	for round := range 6 {
		recs, sinks := recorders(t, 2)
		m := newLaneMesh(t, sinks)
		all := start(t, m, recs, 0, 1)
		const n = 20
		for k := 1; k <= n; k++ {
			m.nets[0].Link(1).Post(data(k, pattern(k, 4<<20)))
			if k == 1+round*3 {
				unix.Shutdown(all[round%len(all)].conn.carrier.(*socket).fd, unix.SHUT_RDWR)
			}
		}
		for i, r := range recs {
			r.Until("Down", func() bool { return len(r.Downs(1-i)) > 0 })
			if err := r.Downs(1 - i)[0]; !errors.Is(err, ErrBroken) {
				t.Error(err)
			}
		}
		recs[0].UntilSent(n + 2)
		m.close()
	}
}

// A link that goes down just when a frame is about to be spread over its lanes.
func TestLinkGoesDownBeforeSpread(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 2)
	m := newLaneMesh(t, sinks)
	start(t, m, recs, 0, 1)
	l := m.nets[0].link(1)
	f := data(1, pattern(1, 4<<20))
	l.mu.Lock()
	spreads := l.spreads(f)
	l.mu.Unlock()
	if !spreads {
		t.Fatal("a long frame does not go by lanes")
	}
	m.nets[0].Kill(1, errors.New("killed by the test"))
	recs[0].Until("Down", func() bool { return len(recs[0].Downs(1)) > 0 })
	l.spread(f)
	recs[0].UntilSent(2 + 1)
	if _, _, failed := recs[0].Counts(); failed != 1 {
		t.Errorf("%d frames failed", failed)
	}
	m.close()
}

// A peer that is killed in the middle of long frames: every frame comes back.
func TestKillWithLanes(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 3)
	m := newLaneMesh(t, sinks)
	start(t, m, recs, 0, 1)
	gone := errors.New("killed by the test")
	const n = 20
	for k := 1; k <= n; k++ {
		m.nets[0].Link(1).Post(data(k, pattern(k, 4<<20)))
	}
	m.nets[0].Kill(1, gone)
	recs[0].Until("Down", func() bool { return len(recs[0].Downs(1)) > 0 })
	recs[0].UntilSent(n + 2)
	if err := recs[0].Downs(1)[0]; !errors.Is(err, gone) {
		t.Error(err)
	}
	m.nets[0].Link(2).Post(data(1, pattern(1, 4<<20))) // the others go on
	recs[2].UntilArrived(1)
}

// A process that closes while long frames come to it: nothing hangs, the sender
// hears that it has left.
func TestLeaveWithLanes(t *testing.T) {
	noGoroutineStays(t)
	for range 5 {
		recs, sinks := recorders(t, 2)
		m := newLaneMesh(t, sinks)
		start(t, m, recs, 0, 1)
		const n = 40
		for k := 1; k <= n; k++ {
			m.nets[0].Link(1).Post(data(k, pattern(k, 2<<20)))
		}
		if err := m.leave(1); err != nil {
			t.Error(err)
		}
		recs[0].UntilSent(n + 2)
		recs[0].Until("Down", func() bool { return len(recs[0].Downs(1)) > 0 })
		m.drivers[1] = nil
		if d := m.drivers[0]; d != nil {
			d.Stop()
			m.drivers[0] = nil
		}
		if err := m.nets[0].Close(); err != nil {
			t.Error(err)
		}
	}
}

// Lanes that cannot be had are done without.
func TestLanesRefused(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 2)
	var dials sync.Map
	m := newMesh(t, sinks, func(m *mesh, cfg *Config) {
		cfg.Far = time.Nanosecond
		m.wrap = func(proc int, dialed bool, c net.Conn) net.Conn {
			if _, again := dials.LoadOrStore(fmt.Sprint(proc, dialed), true); again {
				c.Close()
			}
			return c
		}
	})
	const n = 20
	for k := range n {
		m.nets[0].Link(1).Post(data(k, pattern(k, 2<<20)))
	}
	recs[1].UntilArrived(n)
	for i, e := range recs[1].Events(0) {
		if int(e.Recv) != i || string(e.Bytes) != string(pattern(i, 2<<20)) {
			t.Fatalf("frame %d came as number %d, or changed", e.Recv, i)
		}
	}
	if len(recs[0].Downs(1)) > 0 {
		t.Error(recs[0].Downs(1))
	}
}

// A near link has no lanes, and a stranger cannot be one.
func TestNoLanes(t *testing.T) {
	recs, sinks := recorders(t, 2)
	m := newMesh(t, sinks, func(_ *mesh, cfg *Config) { cfg.Far = time.Hour })
	m.nets[0].Link(1).Post(data(0, pattern(0, 4<<20)))
	recs[1].UntilArrived(1)
	if m.nets[0].link(1).lanes.begun {
		t.Error("loopback has lanes")
	}

	// One who has the key, as process 0, but another role for its proof.
	c, err := dialFor(t.Context(), m.ln.Addr().String(), 1)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	id := identity{job: "job", key: testKey("key"), proc: 0}
	if _, err := id.challenge(&relabel{c}, 1, laneMagic); !errors.Is(err, ErrAuth) {
		t.Errorf("a lane's hello relabelled on the way: %v", err)
	}
}

// relabel changes a lane's hello into a link's.
type relabel struct{ net.Conn }

func (r *relabel) Write(b []byte) (int, error) {
	if len(b) >= 4 && string(b[:4]) == laneMagic {
		b = append([]byte(helloMagic), b[4:]...)
	}
	return r.Conn.Write(b)
}

var _ io.ReadWriter = (*relabel)(nil)
