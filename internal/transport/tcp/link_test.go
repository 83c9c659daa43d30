package tcp

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

func TestFramesArriveInOrderAndWhole(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 2)
	m := newMesh(t, sinks, nil)
	sizes := []int{0, 1, 2, 3, 5, 8, 71, 72, 73, 4095, 16 << 10, firstBuffer - 1, firstBuffer, firstBuffer + 1,
		directBytes, directBytes + 1, pieceSize - 1, pieceSize, pieceSize + 1, 3*pieceSize + 17, wire.MaxBody}
	l := m.nets[0].Link(1)
	n := 0
	var want [][]byte
	for range 3 {
		for _, size := range sizes {
			b := pattern(n, size)
			f := eager(n, b)
			if n%2 == 1 {
				f = data(n, b)
				f.Seq = uint32(n)
			}
			if f.Kind == wire.Data && size == 0 {
				f = eager(n, b) // an empty Data frame completes nothing in the recorder
			}
			l.Post(f)
			want = append(want, b)
			n++
		}
	}
	recs[1].UntilArrived(n)
	inOrder(t, recs[1], 0, n)
	for i, e := range recs[1].Events(0) {
		if !bytes.Equal(e.Bytes, want[i]) {
			t.Errorf("frame %d of %d bytes arrived changed", i, len(want[i]))
		}
	}
	recs[0].UntilSent(n)
	if _, sent, failed := recs[0].Counts(); sent != n || failed != 0 {
		t.Errorf("%d frames came back, %d of them failed, want %d and 0", sent, failed, n)
	}
}

func TestPostNeverBlocks(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 2)
	open := make(chan struct{})
	first := true
	recs[1].Hook = hookOnce(&first, open)
	m := newMesh(t, sinks, nil)
	const n, size = 100, 256 << 10 // far more than socket buffers hold
	for i := range n {
		m.nets[0].Link(1).Post(data(i, pattern(i, size)))
	}
	// All posts have returned although the receiver stands still.
	if _, sent, _ := recs[0].Counts(); sent == n {
		t.Errorf("all %d frames fit into the kernel: the test shows nothing", n)
	}
	close(open)
	recs[1].UntilArrived(n)
	recs[0].UntilSent(n)
}

func TestCallbacksMayPost(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 2)
	m := newMesh(t, sinks, nil)
	const rounds = 2000
	for i := range recs {
		back := func(n int) {
			if n < rounds {
				m.nets[i].Link(1 - i).Post(eager(n+1, pattern(n, n%300)))
			}
		}
		recs[i].Hook = hookSeq(back)
	}
	var once sync.Once
	recs[0].SentHook = func(f *transport.Frame, err error) {
		once.Do(func() { m.nets[0].Link(1).Post(eager(rounds, nil)) })
	}
	m.nets[0].Link(1).Post(eager(0, nil))
	recs[1].UntilArrived(rounds/2 + 2) // 0, 2, ... rounds, and the one from Sent
	recs[0].UntilArrived(rounds / 2)
}

func TestLeavingIsToldFromCrashing(t *testing.T) {
	noGoroutineStays(t)
	t.Run("leave", func(t *testing.T) {
		recs, sinks := recorders(t, 2)
		m := newMesh(t, sinks, nil)
		const n = 100
		for i := range n {
			m.nets[0].Link(1).Post(eager(i, pattern(i, 10<<10)))
		}
		if err := m.leave(0); err != nil {
			t.Errorf("Close: %v", err)
		}
		recs[1].Until("Down", func() bool { return len(recs[1].Downs(0)) > 0 })
		if err := recs[1].Downs(0)[0]; !errors.Is(err, transport.ErrLeft) || !strings.Contains(err.Error(), "process 0") {
			t.Errorf("Down with %v, want ErrLeft that names process 0", err)
		}
		inOrder(t, recs[1], 0, n) // queued frames went first
		m.nets[1].Link(0).Post(eager(0, nil))
		if _, _, failed := recs[1].Counts(); failed != 1 {
			t.Error("posting to a process that left did not fail")
		}
		m.nets[0].Link(1).Post(eager(0, nil))
		if _, _, failed := recs[0].Counts(); failed != 1 {
			t.Error("posting after Close did not fail")
		}
	})
	t.Run("crash", func(t *testing.T) {
		recs, sinks := recorders(t, 2)
		m := newMesh(t, sinks, nil)
		m.nets[0].Link(1).Post(eager(0, nil))
		recs[1].UntilArrived(1)
		l := m.nets[0].link(1)
		l.mu.Lock()
		c := l.conn
		l.mu.Unlock()
		c.closeWrite() // what the kernel of a killed process does
		recs[1].Until("Down", func() bool { return len(recs[1].Downs(0)) > 0 })
		err := recs[1].Downs(0)[0]
		if !errors.Is(err, ErrBroken) || errors.Is(err, transport.ErrLeft) {
			t.Errorf("Down with %v, want ErrBroken", err)
		}
		if !strings.Contains(err.Error(), "process 0 at 127.0.0.1:") {
			t.Errorf("%q does not name process and address", err)
		}
	})
}

func TestCloseOfBothLosesNothing(t *testing.T) {
	noGoroutineStays(t)
	for round := range 15 {
		recs, sinks := recorders(t, 2)
		m := newMesh(t, sinks, nil)
		m.nets[0].Link(1).Post(eager(0, nil))
		recs[1].UntilArrived(1)
		const n = 200
		for i := range n {
			m.nets[0].Link(1).Post(eager(i+1, pattern(i, 16<<10)))
			m.nets[1].Link(0).Post(eager(i, pattern(i, 16<<10)))
		}
		for _, err := range m.close() {
			if err != nil {
				t.Fatalf("round %d: Close: %v", round, err)
			}
		}
		inOrder(t, recs[1], 0, n+1)
		inOrder(t, recs[0], 1, n)
		for i, r := range recs {
			if _, _, failed := r.Counts(); failed > 0 {
				t.Fatalf("round %d: process %d: %d frames failed", round, i, failed)
			}
		}
	}
}

func TestCloseIsBounded(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 2)
	open := make(chan struct{})
	first := true
	recs[1].Hook = hookOnce(&first, open)
	m := newMesh(t, sinks, func(_ *mesh, c *Config) { c.Close = 50 * time.Millisecond })
	const n = 100
	for i := range n {
		m.nets[0].Link(1).Post(data(i, pattern(i, 256<<10)))
	}
	if err := m.leave(0); err == nil || !strings.Contains(err.Error(), "[1]") {
		t.Errorf("Close with a peer that stands still: %v, want an error that names it", err)
	}
	if _, sent, failed := recs[0].Counts(); sent != n || failed == 0 {
		t.Errorf("%d frames came back, %d failed; want all %d, some failed", sent, failed, n)
	}
	close(open)
}

func TestKill(t *testing.T) {
	noGoroutineStays(t)
	why := errors.New("host is gone")
	t.Run("up", func(t *testing.T) {
		recs, sinks := recorders(t, 2)
		m := newMesh(t, sinks, nil)
		const n = 50
		for i := range n {
			m.nets[0].Link(1).Post(eager(i, pattern(i, 1000)))
		}
		m.nets[1].Link(0).Post(eager(0, nil))
		recs[0].UntilArrived(1)
		recs[0].UntilSent(n)
		m.nets[1].Kill(0, why)
		m.nets[1].Kill(0, errors.New("again"))
		recs[1].Until("Down", func() bool { return len(recs[1].Downs(0)) > 0 })
		if err := recs[1].Downs(0)[0]; err != why {
			t.Errorf("Down with %v, want %v", err, why)
		}
		inOrder(t, recs[1], 0, n) // all were readable
		m.nets[1].Link(0).Post(eager(0, nil))
		if _, _, failed := recs[1].Counts(); failed != 1 {
			t.Error("posting to a killed process did not fail")
		}
	})
	t.Run("idle", func(t *testing.T) {
		recs, sinks := recorders(t, 2)
		m := newMesh(t, sinks, nil)
		m.nets[1].Kill(0, why)
		recs[1].Until("Down", func() bool { return len(recs[1].Downs(0)) > 0 })
		m.nets[0].Link(1).Post(eager(0, nil)) // refused there
		recs[0].Until("Down", func() bool { return len(recs[0].Downs(1)) > 0 })
		if _, sent, failed := recs[0].Counts(); sent != 1 || failed != 1 {
			t.Errorf("%d sent, %d failed, want 1 and 1", sent, failed)
		}
	})
	t.Run("dialing", func(t *testing.T) {
		recs, sinks := recorders(t, 2)
		m := newMesh(t, sinks, func(_ *mesh, c *Config) {
			c.Dial = func(ctx context.Context, _ int) (net.Conn, error) {
				<-ctx.Done()
				return nil, ctx.Err()
			}
		})
		m.nets[0].Link(1).Post(eager(0, nil))
		m.nets[0].Kill(1, why)
		recs[0].Until("Down", func() bool { return len(recs[0].Downs(1)) > 0 })
		if err := recs[0].Downs(1)[0]; err != why {
			t.Errorf("Down with %v, want %v", err, why)
		}
		recs[0].UntilSent(1)
	})
	t.Run("blocked writer", func(t *testing.T) {
		recs, sinks := recorders(t, 2)
		open := make(chan struct{})
		first := true
		recs[1].Hook = hookOnce(&first, open)
		m := newMesh(t, sinks, nil)
		const n = 100
		for i := range n {
			m.nets[0].Link(1).Post(data(i, pattern(i, 256<<10)))
		}
		m.nets[0].Kill(1, why)
		recs[0].UntilSent(n)
		recs[0].Until("Down", func() bool { return len(recs[0].Downs(1)) > 0 })
		close(open)
	})
}

func TestDialFails(t *testing.T) {
	noGoroutineStays(t)
	recs, sinks := recorders(t, 2)
	why := errors.New("no route to node7:4000")
	m := newMesh(t, sinks, func(_ *mesh, c *Config) {
		c.Dial = func(context.Context, int) (net.Conn, error) { return nil, why }
	})
	m.nets[0].Link(1).Post(eager(0, nil))
	recs[0].UntilSent(1)
	recs[0].Until("Down", func() bool { return len(recs[0].Downs(1)) > 0 })
	if err := recs[0].Downs(1)[0]; !errors.Is(err, why) || !strings.Contains(err.Error(), "process 1") {
		t.Errorf("Down with %v, want process 1 and %v", err, why)
	}
}

func TestPostsThatCannotBe(t *testing.T) {
	recs, sinks := recorders(t, 2)
	m := newMesh(t, sinks, nil)
	for _, p := range []int{-1, 0, 2, 1 << 20} {
		m.nets[0].Link(p).Post(eager(0, nil))
		m.nets[0].Kill(p, io.EOF)
	}
	m.nets[0].Link(1).Post(eager(0, make([]byte, wire.MaxBody+1)))
	if _, sent, failed := recs[0].Counts(); sent != 5 || failed != 5 {
		t.Errorf("%d frames came back, %d failed, want 5 and 5", sent, failed)
	}
}

func TestOpenChecksConfig(t *testing.T) {
	_, sinks := recorders(t, 1)
	dial := func(context.Context, int) (net.Conn, error) { return nil, io.EOF }
	for name, cfg := range map[string]Config{
		"no key":    {Procs: 1, Dial: dial},
		"short key": {Procs: 1, Dial: dial, Key: make([]byte, 16)},
		"no dial":   {Procs: 1, Key: make([]byte, KeySize)},
		"proc":      {Proc: 1, Procs: 1, Dial: dial, Key: make([]byte, KeySize)},
	} {
		if _, err := Open(cfg, sinks[0]); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
