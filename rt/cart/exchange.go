package cart

import (
	"context"
	"fmt"

	"gridrun/rt"
)

// Exchange sends out[i] to neighbour i and fills in[i] from it: neighbour 2d is
// the one before this rank in dimension d, 2d+1 the one behind. Where the grid ends,
// and for nil slices, nothing is sent or received; on both sides of a pair the
// lengths must agree. Collective.
func Exchange[T any](ctx context.Context, g *Grid, out, in [][]T) error {
	if n := 2 * len(g.dims); len(out) != n || len(in) != n {
		return fmt.Errorf("cart: %d parts to send and %d to receive for %d neighbours", len(out), len(in), n)
	}
	t := newTransfers(g)
	for i, x := range in {
		if peer := g.neighbour(i); peer >= 0 && x != nil {
			receive(ctx, t, g, peer, i, x)
		}
	}
	for i, x := range out {
		if peer := g.neighbour(i); peer >= 0 && x != nil {
			send(ctx, t, g, peer, i, x)
		}
	}
	return t.wait(ctx, t.reqs)
}

// neighbour is the rank on side i, as Exchange counts them; -1 where the grid ends.
func (g *Grid) neighbour(i int) int {
	before, behind := g.Shift(i/2, 1)
	if i%2 == 0 {
		return before
	}
	return behind
}

// transfers of one exchange: first the receive from each side, then the send to
// each; nil where there is none. After the first error none is started.
type transfers struct {
	reqs []*rt.Request
	err  error
}

func newTransfers(g *Grid) *transfers {
	return &transfers{reqs: make([]*rt.Request, 4*len(g.dims))}
}

// A message's tag is the side that it leaves by; it arrives at the opposite one. In
// a ring of two ranks, where both neighbours are the same, that tells them apart.

func receive[T any](ctx context.Context, t *transfers, g *Grid, peer, side int, x []T) {
	if t.err == nil {
		t.reqs[side], t.err = rt.IRecv(ctx, g.inner, peer, rt.Tag(side^1), x)
	}
}

func send[T any](ctx context.Context, t *transfers, g *Grid, peer, side int, x []T) {
	if t.err == nil {
		t.reqs[len(t.reqs)/2+side], t.err = rt.ISend(ctx, g.inner, peer, rt.Tag(side), x)
	}
}

// wait waits for some of the transfers. When one fails nothing of the others stays
// behind either, in the caller's slices.
func (t *transfers) wait(ctx context.Context, some []*rt.Request) error {
	if t.err == nil {
		t.err = rt.WaitAll(ctx, some...)
	}
	if t.err != nil {
		ctx, cancel := context.WithCancel(ctx)
		cancel()
		rt.WaitAll(ctx, t.reqs...)
	}
	return t.err
}
