package cart

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"

	"gridrun/internal/box"
	"gridrun/rt"
)

// A Grid is a group whose ranks have coordinates.
type Grid struct {
	*rt.Comm
	inner    *rt.Comm // for Exchange
	dims     []int
	periodic []bool
	coords   []int

	mu   sync.Mutex
	halo any // the last exchange's *halo[T], for the next
}

// New makes a grid of the first ranks of g, as many as dims multiply to; the
// others get nil. A nil periodic means that no dimension is a ring. Collective.
func New(ctx context.Context, g rt.Group, dims []int, periodic []bool) (*Grid, error) {
	if periodic == nil {
		periodic = make([]bool, len(dims))
	}
	n, ok := box.Size(dims)
	switch {
	case len(periodic) != len(dims):
		return nil, fmt.Errorf("cart: %d dimensions, but periodic has %d", len(dims), len(periodic))
	case !ok || n == 0:
		return nil, fmt.Errorf("cart: no grid has dimensions %v", dims)
	case n > g.Size():
		return nil, fmt.Errorf("cart: a grid of %v needs %d ranks, the group has %d", dims, n, g.Size())
	}
	color := 0
	if g.Rank() >= n {
		color = -1
	}
	c, err := rt.Split(ctx, g, color, 0)
	if err != nil || c == nil {
		return nil, err
	}
	return grid(ctx, c, dims, periodic)
}

func grid(ctx context.Context, c *rt.Comm, dims []int, periodic []bool) (*Grid, error) {
	inner, err := rt.Dup(ctx, c)
	if err != nil {
		return nil, err
	}
	g := &Grid{Comm: c, inner: inner, dims: slices.Clone(dims), periodic: slices.Clone(periodic)}
	g.coords = g.CoordsOf(c.Rank())
	return g, nil
}

// Close forgets the grid's groups on this rank.
func (g *Grid) Close() error { return errors.Join(g.inner.Close(), g.Comm.Close()) }

// Dims returns the number of ranks in each dimension.
func (g *Grid) Dims() []int { return slices.Clone(g.dims) }

// Periodic says which dimensions are rings.
func (g *Grid) Periodic() []bool { return slices.Clone(g.periodic) }

// Coords returns where this rank stands.
func (g *Grid) Coords() []int { return slices.Clone(g.coords) }

// CoordsOf returns where a rank of the grid stands.
func (g *Grid) CoordsOf(rank int) []int {
	at := make([]int, len(g.dims))
	for d := len(g.dims) - 1; d >= 0; d-- {
		at[d], rank = rank%g.dims[d], rank/g.dims[d]
	}
	return at
}

// RankAt returns the rank at coordinates, which go round in periodic dimensions; -1
// outside of the grid.
func (g *Grid) RankAt(coords ...int) int {
	if len(coords) != len(g.dims) {
		return -1
	}
	rank := 0
	for d, x := range coords {
		n := g.dims[d]
		if g.periodic[d] {
			x = (x%n + n) % n
		}
		if x < 0 || x >= n {
			return -1
		}
		rank = rank*n + x
	}
	return rank
}

// Shift returns the ranks that stand by places before and behind this one in
// dimension d, -1 where the grid ends: dst is who gets what this rank shifts by so
// many places, src is who it gets its own from.
func (g *Grid) Shift(d, by int) (src, dst int) {
	at := g.Coords()
	at[d] -= by
	src = g.RankAt(at...)
	at[d] += 2 * by
	return src, g.RankAt(at...)
}

// Sub cuts the grid into grids of the dimensions with keep, one for each place in
// the others, and returns the one that this rank is in. Collective.
func (g *Grid) Sub(ctx context.Context, keep []bool) (*Grid, error) {
	if len(keep) != len(g.dims) {
		return nil, fmt.Errorf("cart: a grid of %d dimensions, but keep has %d", len(g.dims), len(keep))
	}
	color := 0
	var dims []int
	var periodic []bool
	for d, k := range keep {
		if k {
			dims, periodic = append(dims, g.dims[d]), append(periodic, g.periodic[d])
		} else {
			color = color*g.dims[d] + g.coords[d]
		}
	}
	c, err := rt.Split(ctx, g, color, 0) // in row-major order again
	if err != nil {
		return nil, err
	}
	return grid(ctx, c, dims, periodic)
}

// Dims divides n ranks over d dimensions, as evenly as n's factors allow, the
// largest first.
func Dims(n, d int) []int {
	dims := make([]int, d)
	for i := range dims {
		dims[i] = 1
	}
	if n < 1 || d < 1 {
		return dims
	}
	// Prime factors, the largest first, each to the dimension that is smallest so far.
	var primes []int
	for p := 2; n > 1; p++ {
		if p > int(math.Sqrt(float64(n))) {
			p = n
		}
		for n%p == 0 {
			primes, n = append(primes, p), n/p
		}
	}
	slices.Sort(primes)
	for _, p := range slices.Backward(primes) {
		i := slices.Index(dims, slices.Min(dims))
		dims[i] *= p
	}
	slices.Sort(dims)
	slices.Reverse(dims)
	return dims
}

// Part divides n points over parts, in order and as evenly as can be, and returns
// where part i starts and how many it has.
func Part(n, parts, i int) (start, count int) {
	size, more := n/parts, n%parts
	start = i*size + min(i, more)
	if i < more {
		size++
	}
	return start, size
}
