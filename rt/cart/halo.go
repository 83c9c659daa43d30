package cart

import (
	"context"
	"fmt"
	"slices"

	"gridrun/internal/box"
)

// Halo fills the halo of a, a rank's part of a distributed array with width layers
// more on every side: shape is that of a, halo included, the last dimension
// contiguous. Where the grid ends the halo stays as it is. Corners are filled too.
// Collective; in the dimensions that are not exchanged neighbours must have the
// same shape. The grid keeps buffers for layers of the last shape until it is closed.
func Halo[T any](ctx context.Context, g *Grid, a []T, shape []int, width int) error {
	n := len(g.dims)
	if len(shape) != n || width < 0 {
		return fmt.Errorf("cart: a halo of %d layers around an array of shape %v on a grid of %d dimensions", width, shape, n)
	}
	for d, s := range shape {
		if s/3 < width {
			return fmt.Errorf("cart: dimension %d has %d points, but its halo of %d layers needs %d: as many inside as the neighbours want", d, s, width, 3*width)
		}
	}
	if size, ok := box.Size(shape); !ok || size != len(a) {
		return fmt.Errorf("cart: an array of shape %v has %d elements, not %d", shape, size, len(a))
	}
	if width == 0 {
		return nil
	}
	h := takeHalo[T](g, shape, width)
	defer g.keep(h)
	return h.exchange(ctx, g, a)
}

// A halo is what one exchange needs and the next can use again. Dimensions are
// exchanged from the last to the first, whose layers with everything that has come
// before are contiguous: they are sent and received where they stand.
type halo[T any] struct {
	shape []int
	width int
	sides []side[T] // 2d and 2d+1 are those of dimension d, as in Exchange
	*transfers
}

// A side is what goes to one neighbour and comes from it.
type side[T any] struct {
	peer          int
	inner, outer  box.Layout // of what is sent, and of the halo
	outBuf, inBuf []T        // of layers that are not contiguous
}

// keep keeps the last exchange's halo for the next.
func (g *Grid) keep(h any) {
	g.mu.Lock()
	g.halo = h
	g.mu.Unlock()
}

// takeHalo returns the grid's halo if it is for such arrays, else a new one. It is
// the caller's until it is kept again.
func takeHalo[T any](g *Grid, shape []int, width int) *halo[T] {
	g.mu.Lock()
	last := g.halo
	g.halo = nil
	g.mu.Unlock()
	if h, ok := last.(*halo[T]); ok && h.width == width && slices.Equal(h.shape, shape) {
		return h
	}
	n := len(shape)
	h := &halo[T]{shape: slices.Clone(shape), width: width, sides: make([]side[T], 2*n), transfers: newTransfers(g)}
	layers := func(d, from int) box.Layout {
		start, count := make([]int, n), make([]int, n)
		for e, s := range shape {
			switch {
			case e == d:
				start[e], count[e] = from, width
			case e > d: // its halo is there already
				count[e] = s
			default:
				start[e], count[e] = width, s-2*width
			}
		}
		return box.LayoutOf(shape, start, count, nil)
	}
	for i := range h.sides {
		d, s := i/2, &h.sides[i]
		if i%2 == 0 {
			s.inner, s.outer = layers(d, width), layers(d, 0)
		} else {
			s.inner, s.outer = layers(d, shape[d]-2*width), layers(d, shape[d]-width)
		}
		if s.peer = g.neighbour(i); s.peer < 0 {
			continue
		}
		if _, ok := s.inner.Contiguous(); !ok {
			s.outBuf, s.inBuf = make([]T, s.inner.Len()), make([]T, s.outer.Len())
		}
	}
	return h
}

// exchange fills the halo. All receives are there before anything is sent, so a
// neighbour that is ahead writes to where its layers belong.
func (h *halo[T]) exchange(ctx context.Context, g *Grid, a []T) error {
	clear(h.reqs)
	h.err = nil
	for i := range h.sides {
		if s := &h.sides[i]; s.peer >= 0 && s.peer != g.Rank() {
			receive(ctx, h.transfers, g, s.peer, i, s.coming(a))
		}
	}
	for d := len(h.shape) - 1; d >= 0; d-- {
		low, high := &h.sides[2*d], &h.sides[2*d+1]
		if low.peer == g.Rank() { // a ring of one
			low.wrap(a, high)
			high.wrap(a, low)
			continue
		}
		for i := 2 * d; i < 2*d+2; i++ {
			if s := &h.sides[i]; s.peer >= 0 {
				send(ctx, h.transfers, g, s.peer, i, s.going(a))
			}
		}
		if err := h.wait(ctx, h.reqs[2*d:2*d+2]); err != nil {
			return err
		}
		low.arrived(a)
		high.arrived(a)
	}
	return h.wait(ctx, h.reqs)
}

// coming is where a message from the side goes, going the one to it.
func (s *side[T]) coming(a []T) []T {
	if s.inBuf != nil {
		return s.inBuf
	}
	off, _ := s.outer.Contiguous()
	return a[off : off+s.outer.Len()]
}

func (s *side[T]) going(a []T) []T {
	if s.outBuf != nil {
		box.Gather(&s.inner, s.outBuf, a)
		return s.outBuf
	}
	off, _ := s.inner.Contiguous()
	return a[off : off+s.inner.Len()]
}

// arrived puts what has come into the halo.
func (s *side[T]) arrived(a []T) {
	if s.inBuf != nil {
		box.Scatter(&s.outer, a, s.inBuf)
	}
}

// wrap fills the halo with what the opposite side of the same array sends.
func (s *side[T]) wrap(a []T, opposite *side[T]) {
	layers := opposite.going(a)
	if s.inBuf == nil {
		copy(s.coming(a), layers)
		return
	}
	box.Scatter(&s.outer, a, layers)
}
