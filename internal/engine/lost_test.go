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
