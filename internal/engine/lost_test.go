package engine

import (
	"context"
	"errors"
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// A rank that has ended, while its process lives, still sends what a receive has
// asked for. When then the process ends, too, the receive does not wait for ever.
func TestProcessEndsAfterItsRank(t *testing.T) {
	p := NewProc(Config{Topology: topology(0, 1), Ranks: []int{0}})
	p.Use(void{p}, []int{1})
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx := context.Background()
	r, err := p.Rank(0).World().Recv(ctx, OpIRecv, 1, 0, Payload{Bytes: make([]byte, 1<<20), Size: 1}, false)
	if err != nil {
		t.Fatal(err)
	}
	p.Arrived(1, &wire.Header{Kind: wire.RTS, Src: 1, Group: WorldID, Len: 1 << 20, Send: 1}, nil)
	p.Arrived(1, &wire.Header{Kind: wire.Bye, Src: 1}, nil)
	if r.ready() {
		t.Fatal("the receive is given up though its data may come")
	}
	p.Down(1, transport.ErrLeft)
	if !r.ready() {
		t.Fatal("the receive waits for data that will never come")
	}
	if _, err := r.Wait(ctx); !errors.Is(err, ErrPeerLost) {
		t.Fatalf("the receive ends with %v", err)
	}
}

// Of a message only the envelope had come when its sender died. The receive that is
// for it fails, and does not take what was sent after it.
func TestMessageOfTheDead(t *testing.T) {
	p := NewProc(Config{Topology: topology(0, 1, 2), Ranks: []int{0}, Continue: true})
	p.Use(void{p}, []int{1, 2})
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	ctx := context.Background()
	c := p.Rank(0).World()
	arrive := func() {
		p.Arrived(1, &wire.Header{Kind: wire.RTS, Src: 1, Group: WorldID, Tag: 1, Len: 1 << 20, Send: 1}, nil)
		p.Arrived(1, &wire.Header{Kind: wire.Eager, Src: 1, Group: WorldID, Tag: 2, Body: 1, Len: 1}, []byte{5})
	}
	recv := func(src int) (Status, error) {
		t.Helper()
		r, err := c.Recv(ctx, OpRecv, src, AnyTag, Payload{Bytes: make([]byte, 1<<20), Size: 1}, false)
		if err != nil {
			t.Fatal(err)
		}
		return r.Finish(ctx)
	}
	arrive()
	arrive()
	p.Down(1, errors.New("killed"))
	if _, found, err := c.Probe(ctx, 1, AnyTag, false); found || !errors.Is(err, ErrPeerLost) {
		t.Fatalf("a message without data is found: %v, %v", found, err)
	}
	if _, _, err := c.Probe(ctx, 1, AnyTag, true); !errors.Is(err, ErrPeerLost) {
		t.Fatalf("a message without data is found: %v", err)
	}
	if st, err := recv(1); !errors.Is(err, ErrPeerLost) {
		t.Fatalf("the receive for a message that is lost got %+v, %v", st, err)
	}
	if st, err := recv(1); err != nil || st.Tag != 2 {
		t.Fatalf("the message after the one that is lost: %+v, %v", st, err)
	}
	c.AckFailed() // the second one is passed over with its sender
	if st, err := recv(AnyRank); err != nil || st.Tag != 2 {
		t.Fatalf("a receive from any source after the dead are known: %+v, %v", st, err)
	}
}
