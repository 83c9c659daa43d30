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
	reqs := make([]*rt.Request, 0, 4*len(g.dims))
	start := func(i int, x []T, begin func(context.Context, rt.Group, int, rt.Tag, []T) (*rt.Request, error), tag rt.Tag) error {
		before, behind := g.Shift(i/2, 1)
		peer := before
		if i%2 == 1 {
			peer = behind
		}
		if peer < 0 || x == nil {
			return nil
		}
		r, err := begin(ctx, g.inner, peer, tag, x)
		if err == nil {
			reqs = append(reqs, r)
		}
		return err
	}
	// The tag is the side that the message leaves by; it arrives at the opposite one.
	// In a ring of two ranks, where both neighbours are the same, that tells them apart.
	var failed error
	for i := range in {
		if failed == nil {
			failed = start(i, in[i], rt.IRecv[T], rt.Tag(i^1))
		}
	}
	for i := range out {
		if failed == nil {
			failed = start(i, out[i], rt.ISend[T], rt.Tag(i))
		}
	}
	if failed != nil { // what was started must not stay behind, in the caller's slices
		var cancel context.CancelFunc
		ctx, cancel = context.WithCancel(ctx)
		cancel()
	}
	if err := rt.WaitAll(ctx, reqs...); failed == nil {
		return err
	}
	return failed
}

// Halo fills the halo of a, a rank's part of a distributed array with width layers
// more on every side: shape is that of a, halo included, the last dimension
// contiguous. Where the grid ends the halo stays as it is. Corners are filled too.
// Collective; in the dimensions that are not exchanged neighbours must have the
// same shape.
func Halo[T any](ctx context.Context, g *Grid, a []T, shape []int, width int) error {
	n := len(g.dims)
	if len(shape) != n || width < 0 {
		return fmt.Errorf("cart: a halo of %d layers around an array of shape %v on a grid of %d dimensions", width, shape, n)
	}
	for d, s := range shape {
		if s < 3*width {
			return fmt.Errorf("cart: dimension %d has %d points, but its halo of %d layers needs %d: as many inside as the neighbours want", d, s, width, 3*width)
		}
	}
	if width == 0 {
		return nil
	}
	for d := range shape {
		layer := func(start int) rt.Box {
			b := rt.Box{Shape: shape, Start: make([]int, n), Count: make([]int, n)}
			for e, s := range shape {
				switch {
				case e == d:
					b.Start[e], b.Count[e] = start, width
				case e < d: // its halo is there already
					b.Count[e] = s
				default:
					b.Start[e], b.Count[e] = width, s-2*width
				}
			}
			return b
		}
		inner := [2]rt.Box{layer(width), layer(shape[d] - 2*width)}
		halo := [2]rt.Box{layer(0), layer(shape[d] - width)}
		out, in := make([][]T, 2*n), make([][]T, 2*n)
		for side := range 2 {
			var err error
			if out[2*d+side], err = rt.Pack(a, inner[side]); err != nil {
				return fmt.Errorf("cart: %w", err)
			}
			in[2*d+side] = make([]T, halo[side].Len())
		}
		if err := Exchange(ctx, g, out, in); err != nil {
			return err
		}
		before, behind := g.Shift(d, 1)
		for side, peer := range [2]int{before, behind} {
			if peer >= 0 {
				if err := rt.Unpack(a, halo[side], in[2*d+side]); err != nil {
					return err
				}
			}
		}
	}
	return nil
}
