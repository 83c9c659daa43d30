package rt_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	. "gridrun/collectives"
	"gridrun/rt"
)

// line is x -> A*x + B; one after the other is associative and does not commute.
type line struct{ A, B uint32 }

func compose(dst, src []line) {
	for i, s := range src {
		dst[i] = line{dst[i].A * s.A, dst[i].B*s.A + s.B}
	}
}

func lines(n, salt int) []line {
	x := make([]line, n)
	for i := range x {
		x[i] = line{uint32(2*(salt+i) + 3), uint32(salt*31 + i)}
	}
	return x
}

// collective is one collective on g, drawn from rng, and what a loop over the ranks
// makes of it.
func (s *stage) collective(ctx context.Context, g rt.Group, rng *rand.Rand) error {
	n, me := g.Size(), g.Rank()
	length := []int{0, 1, 5, 12, 13, 100, 1000, 2100, 9000, 40_000}[rng.IntN(10)]
	root, kind := rng.IntN(n), rng.IntN(16)
	pick := func(names ...string) Option { return Algorithm(names[rng.IntN(len(names))]) }
	sum := func(n, ranks int) []int32 {
		x := make([]int32, n)
		for r := range ranks {
			Sum(x, fill(n, r))
		}
		return x
	}
	folded := func(ranks int) []line {
		x := lines(length, 0)
		for r := 1; r < ranks; r++ {
			compose(x, lines(length, r))
		}
		return x
	}
	equal := func(what string, got, want []line) error {
		if !slices.Equal(got, want) {
			return fmt.Errorf("%s of %d lines by %d ranks: not the fold in rank order", what, len(want), n)
		}
		return nil
	}
	join := func(n int, of func(r int) []int32) (all []int32) {
		for r := range n {
			all = append(all, of(r)...)
		}
		return all
	}
	what := fmt.Sprintf("collective %d, %d elements, root %d of %d", kind, length, root, n)
	var err error
	x := fill(length, me)
	switch kind {
	case 0:
		err = Barrier(ctx, g)
	case 1:
		if err = Bcast(ctx, g, root, x, pick("", "", "binomial", "scatter-allgather")); err == nil {
			err = same(what, x, fill(length, root))
		}
	case 2:
		if err = AllReduce(ctx, g, x, Sum, pick("", "", "", "doubling", "ring", "rabenseifner")); err == nil {
			err = same(what, x, sum(length, n))
		}
	case 3:
		y := lines(length, me)
		if err = AllReduce(ctx, g, y, compose, Ordered()); err == nil {
			err = equal(what, y, folded(n))
		}
	case 4:
		want := x
		if me == root {
			want = sum(length, n)
		}
		x = slices.Clone(x)
		if err = Reduce(ctx, g, root, x, Sum, pick("", "", "binomial", "halving")); err == nil {
			err = same(what, x, want)
		}
	case 5:
		y := lines(length, me)
		want := slices.Clone(y)
		if me == root {
			want = folded(n)
		}
		if err = Reduce(ctx, g, root, y, compose, Ordered()); err == nil {
			err = equal(what, y, want)
		}
	case 6:
		y := lines(length, me)
		if err = Scan(ctx, g, y, compose); err == nil {
			err = equal(what, y, folded(me+1))
		}
	case 7:
		y := lines(length, me)
		want := slices.Clone(y)
		if me > 0 {
			want = folded(me)
		}
		if err = ExScan(ctx, g, y, compose, Ordered()); err == nil {
			err = equal(what, y, want)
		}
	case 8:
		part := make([]int32, length)
		if err = ReduceScatter(ctx, g, fill(n*length, me), part, Sum, pick("", "", "halving", "pairwise")); err == nil {
			err = same(what, part, sum(n*length, n)[me*length:][:length])
		}
	case 9:
		all := make([]int32, n*length)
		copy(all[me*length:], x)
		if rng.IntN(2) == 0 {
			x = all[me*length:][:length] // in place
		}
		if err = AllGather(ctx, g, x, all, pick("", "", "bruck", "doubling", "ring")); err == nil {
			err = same(what, all, join(n, func(r int) []int32 { return fill(length, r) }))
		}
	case 10:
		all := make([]int32, n*length)
		if err = Gather(ctx, g, root, x, all, pick("", "", "binomial", "linear")); err == nil && me == root {
			err = same(what, all, join(n, func(r int) []int32 { return fill(length, r) }))
		}
	case 11:
		clear(x)
		if err = Scatter(ctx, g, root, fill(n*length, 77), x, pick("", "", "binomial", "linear")); err == nil {
			err = same(what, x, fill(n*length, 77)[me*length:][:length])
		}
	case 12:
		in := make([]int32, n*length)
		if err = AllToAll(ctx, g, fill(n*length, me), in, pick("", "", "bruck", "pairwise")); err == nil {
			err = same(what, in, join(n, func(r int) []int32 { return fill(n*length, r)[me*length:][:length] }))
		}
	case 13:
		counts := make([]int, n)
		for r := range counts {
			counts[r] = rng.IntN(length + 1)
		}
		want := join(n, func(r int) []int32 { return fill(counts[r], r) })
		all := make([]int32, len(want)+me)
		if err = AllGatherV(ctx, g, fill(counts[me], me), all, counts, pick("", "", "bruck", "doubling", "ring")); err == nil {
			err = same(what, all, append(want, make([]int32, me)...))
		}
	case 14:
		// Rank a sends b as many as their numbers make.
		number := func(a, b int) int { return (a*7 + b*3) % (length + 1) }
		out, in := make([]int, n), make([]int, n)
		for r := range n {
			out[r], in[r] = number(me, r), number(r, me)
		}
		want := join(n, func(r int) []int32 { return fill(number(r, me), 1000*r+me) })
		got := make([]int32, len(want))
		if err = AllToAllV(ctx, g, join(n, func(r int) []int32 { return fill(number(me, r), 1000*me+r) }), out, got, in); err == nil {
			err = same(what, got, want)
		}
	case 15:
		var all [][]int32
		if x, err = BcastValue(ctx, g, root, x); err == nil {
			err = same(what, x, fill(length, root))
		}
		if err == nil {
			all, err = GatherValues(ctx, g, root, fill(length%100, me))
		}
		for r, x := range all {
			if err == nil {
				err = same(what, x, fill(length%100, r))
			}
		}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}
