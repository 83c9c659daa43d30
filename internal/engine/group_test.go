package engine

import (
	"context"
	"errors"
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// pair starts a process of two ranks and returns their views of one group that
// is not the world.
func pair(t *testing.T) (p *Proc, a, b *Comm) {
	t.Helper()
	p = NewProc(Config{Topology: topology(0, 0), Ranks: []int{0, 1}})
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	ctx := context.Background()
	a, err := p.Rank(0).World().Dup(ctx)
	if err != nil {
		t.Fatal(err)
	}
	b, err = p.Rank(1).World().Dup(ctx)
	if err != nil {
		t.Fatal(err)
	}
	return p, a, b
}

// flood sends eager messages until one has to wait for its receive, takes that
// one back and returns how many went.
func flood(t *testing.T, c *Comm, dst int) (sent int) {
	t.Helper()
	done, cancel := context.WithCancel(context.Background())
	cancel()
	for {
		r, err := c.Send(context.Background(), OpSend, dst, 0, Payload{Bytes: make([]byte, 1000), Size: 1})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.Finish(done); err != nil {
			return sent
		}
		sent++
	}
}

const full = window / (1000 + envelope)

// full plus what the receiver may keep back until it is worth a frame.
const atLeast = full/2 - 1

func TestCloseReturnsCredit(t *testing.T) {
	p, a, b := pair(t)
	if n := flood(t, a, 1); n != full {
		t.Fatalf("%d messages went, the window has room for %d", n, full)
	}
	b.Close()
	if n := flood(t, p.Rank(0).World(), 1); n < atLeast {
		t.Fatalf("only %d messages go after the group was closed", n)
	}
}

func TestRevokeReturnsCredit(t *testing.T) {
	p, a, b := pair(t)
	flood(t, a, 1)
	b.Revoke(errors.New("enough"))
	if n := flood(t, p.Rank(0).World(), 1); n < atLeast {
		t.Fatalf("only %d messages go after the group was revoked", n)
	}
}

// What comes for a group that is revoked already goes nowhere: its credit must
// come back, and who waits for a receive must learn why there will be none.
func TestLateForARevokedGroup(t *testing.T) {
	p := NewProc(Config{Topology: topology(0, 1), Ranks: []int{0}})
	p.Use(void{p}, []int{1})
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	var posted []wire.Header
	p.routes[1] = listener{void{p}, &posted}
	rk := p.Rank(0)
	rk.revoked(8, errors.New("enough"))
	late := func(group uint64) {
		t.Helper()
		const size = 8000
		for range window / (size + envelope) {
			p.Arrived(1, &wire.Header{Kind: wire.Eager, Src: 1, Group: group, Body: size, Len: size}, make([]byte, size))
		}
		var credit uint32
		for _, h := range posted {
			credit += h.Credit
		}
		if credit < window/2 {
			t.Fatalf("%d bytes of credit came back", credit)
		}
		posted = nil
	}
	late(8)
	closed, err := rk.World().Dup(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	closed.Revoke(errors.New("enough"))
	closed.Close()
	posted = nil
	late(closed.id)
	late(closed.id | collective)
	p.Arrived(1, &wire.Header{Kind: wire.RTS, Src: 1, Group: 8 | collective, Len: 1 << 20, Send: 1}, nil)
	if len(posted) != 1 || posted[0].Kind != wire.Revoke || posted[0].Group != 8 {
		t.Fatalf("the sender heard %+v", posted)
	}
}

// A listener notes what is posted.
type listener struct {
	void
	heard *[]wire.Header
}

func (l listener) Post(f *transport.Frame) {
	*l.heard = append(*l.heard, f.Header)
	l.void.Post(f)
}

func TestCloseEndsReceives(t *testing.T) {
	_, a, b := pair(t)
	ctx := context.Background()
	r, err := b.Recv(ctx, OpRecv, 0, 0, Payload{Bytes: make([]byte, 4), Size: 1}, false)
	if err != nil {
		t.Fatal(err)
	}
	b.Close()
	if _, err := r.Wait(ctx); !errors.Is(err, errClosed) {
		t.Fatalf("a receive of a closed group ended with %v", err)
	}
	// A message that waits at its sender can be taken back, before and after.
	ended, cancel := context.WithCancel(ctx)
	cancel()
	for range 2 {
		s, err := a.Send(ctx, OpSSend, 1, 0, Payload{Bytes: make([]byte, 4), Size: 1})
		if err != nil {
			t.Fatal(err)
		}
		b.Close()
		if _, err := s.Wait(ended); !errors.Is(err, context.Canceled) {
			t.Fatalf("taking an SSend back to a rank that has closed the group: %v", err)
		}
	}
}
