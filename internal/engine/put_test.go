package engine

import (
	"context"
	"errors"
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// revoking is a Putter whose receive is taken back, and meanwhile something happens.
type revoking struct {
	transport.Putter
	happens func()
}

func (r revoking) Attended() bool         { return false }
func (r revoking) Shows(wire.Header) bool { return true }
func (r revoking) Take(wire.Header) (o transport.Shown, ok bool) {
	r.happens()
	return o, false
}

// A message that is not announced after all, as its group was revoked while its sender
// looked for a receive to fill, takes no credit with it.
func TestRefusedAfterPutKeepsCredit(t *testing.T) {
	p := NewProc(Config{Topology: topology(0, 1), Ranks: []int{0}})
	p.Use(void{p}, []int{1})
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	rk, ctx := p.Rank(0), context.Background()
	c, err := rk.World().Dup(ctx)
	if err != nil {
		t.Fatal(err)
	}
	pe := rk.peer(1)
	pe.owed = 1000
	pe.put = revoking{happens: func() { rk.revoked(c.id, errors.New("enough")) }}
	r, err := c.Send(ctx, OpSend, 1, 0, Payload{Bytes: make([]byte, 1<<20), Size: 1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Finish(ctx); err == nil {
		t.Fatal("sent on a group that is revoked")
	}
	if pe.owed != 1000 {
		t.Fatalf("of 1000 bytes of credit to give back %d are left", pe.owed)
	}
}
