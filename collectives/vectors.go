package collectives

import (
	"context"
	"math"

	"gridrun/collectives/internal/algo"
	"gridrun/collectives/internal/onhost"
	"gridrun/internal/board"
	"gridrun/internal/engine"
	"gridrun/rt"
)

// The V forms take every rank's count in elements, zeros included. Blocks stand
// one after the other; a buffer may be longer than its counts need.

// GatherV fills root's all with every rank's x, of counts[r] elements for rank
// r. The other ranks' all is not used and may be nil, and so may their counts
// unless the algorithm is binomial.
func GatherV[T any](ctx context.Context, g rt.Group, root int, x, all []T, counts []int, opts ...Option) error {
	j := newJob[T](g, engine.OpGatherV, opts)
	j.unordered()
	j.rooted(root)
	off := j.rootedBlocks("x", len(x), "all", len(all), counts)
	if j.isRoot() {
		j.inPlace(engine.Bytes(x), engine.Bytes(all), off[root])
	}
	on := plan{try: func(p *board.Party) (bool, error) {
		return onhost.GatherV(p, root, engine.Bytes(x), engine.Bytes(all), off)
	}, levels: func(l *engine.Levels, c algo.Net) error {
		return j.gatherVLevels(ctx, l, c, root, engine.Bytes(x), engine.Bytes(all), off)
	}}
	return j.run(ctx, on, func(c algo.Net) error {
		return algo.GatherV(c, j.want, root, engine.Bytes(x), engine.Bytes(all), off)
	})
}

// AllGatherV fills everybody's all with every rank's x, of counts[r] elements
// for rank r; all ranks pass the same counts.
func AllGatherV[T any](ctx context.Context, g rt.Group, x, all []T, counts []int, opts ...Option) error {
	j := newJob[T](g, engine.OpAllGatherV, opts)
	j.unordered()
	off := j.blocks("all", len(all), "counts", counts)
	if j.err == nil {
		j.length("x", len(x), counts[g.Rank()], "this rank's count")
		j.part.counts = counts
	}
	if j.err == nil {
		j.inPlace(engine.Bytes(x), engine.Bytes(all), off[g.Rank()])
	}
	on := plan{as: engine.OpAllGather, run: func(p *board.Party) error {
		return onhost.AllGather(p, engine.Bytes(x), engine.Bytes(all), off)
	}, levels: func(l *engine.Levels, c algo.Net) error {
		return j.allGatherLevels(ctx, l, c, engine.Bytes(x), engine.Bytes(all), off, false)
	}}
	if j.err == nil {
		on.total = off[len(off)-1]
		on.leader = on.total/g.Size() + 1 // of each rank's memory, as far as it counts
	}
	return j.run(ctx, on, func(c algo.Net) error {
		return algo.AllGather(c, j.want, engine.Bytes(x), engine.Bytes(all), off)
	})
}

// ScatterV fills everybody's x with its block of root's all, of counts[r]
// elements for rank r. The other ranks' all and counts are as for [GatherV].
func ScatterV[T any](ctx context.Context, g rt.Group, root int, all []T, counts []int, x []T, opts ...Option) error {
	j := newJob[T](g, engine.OpScatterV, opts)
	j.unordered()
	j.rooted(root)
	off := j.rootedBlocks("x", len(x), "all", len(all), counts)
	if j.isRoot() {
		j.inPlace(engine.Bytes(x), engine.Bytes(all), off[root])
	}
	on := plan{try: func(p *board.Party) (bool, error) {
		return onhost.ScatterV(p, root, engine.Bytes(all), off, engine.Bytes(x))
	}, levels: func(l *engine.Levels, c algo.Net) error {
		return j.scatterVLevels(ctx, l, c, root, engine.Bytes(all), off, engine.Bytes(x))
	}}
	return j.run(ctx, on, func(c algo.Net) error {
		return algo.ScatterV(c, j.want, root, engine.Bytes(all), off, engine.Bytes(x))
	})
}

// AllToAllV sends outCounts[r] elements of out to rank r and receives
// inCounts[r] elements from it into in. What rank a sends to b, b must expect
// from a.
func AllToAllV[T any](ctx context.Context, g rt.Group, out []T, outCounts []int, in []T, inCounts []int, opts ...Option) error {
	j := newJob[T](g, engine.OpAllToAllV, opts)
	j.unordered()
	outOff := j.blocks("out", len(out), "outCounts", outCounts)
	inOff := j.blocks("in", len(in), "inCounts", inCounts)
	if j.err == nil && outCounts[g.Rank()] != inCounts[g.Rank()] {
		j.failf("outCounts[%d] is %d and inCounts[%d] is %d; what a rank sends itself it must expect",
			g.Rank(), outCounts[g.Rank()], g.Rank(), inCounts[g.Rank()])
	}
	j.disjoint("out", engine.Bytes(out), "in", engine.Bytes(in))
	j.only("pairwise")
	on := plan{try: func(p *board.Party) (bool, error) {
		return onhost.AllToAllV(p, engine.Bytes(out), outOff, engine.Bytes(in), inOff)
	}}
	return j.run(ctx, on, func(c algo.Net) error {
		return algo.AllToAllV(c, engine.Bytes(out), outOff, engine.Bytes(in), inOff)
	})
}

// blocks checks the counts of a buffer and returns the byte offsets of its
// blocks, one more than there are ranks.
func (j *job) blocks(bufName string, bufLen int, name string, counts []int) []int {
	if j.err != nil {
		return nil
	}
	if len(counts) != j.g.Size() {
		j.failf("len(%s) is %d; the group has %d ranks", name, len(counts), j.g.Size())
		return nil
	}
	off, left := make([]int, len(counts)+1), bufLen
	for r, n := range counts {
		if n < 0 {
			j.failf("%s[%d] is %d", name, r, n)
			return nil
		}
		if n > left {
			j.failf("len(%s) is %d; %s up to rank %d need more", bufName, bufLen, name, r)
			return nil
		}
		left -= n
		off[r+1] = off[r] + n*j.size
	}
	return off
}

// rootedBlocks is blocks for an operation where root has the buffer and the
// others may pass no counts.
func (j *job) rootedBlocks(xName string, x int, bufName string, bufLen int, counts []int) []int {
	if j.err != nil {
		return nil
	}
	if !j.isRoot() {
		if counts == nil && j.want.Name != "binomial" {
			return nil
		}
		bufLen = math.MaxInt // not used here
	}
	off := j.blocks(bufName, bufLen, "counts", counts)
	if j.err == nil {
		j.length(xName, x, counts[j.g.Rank()], "this rank's count")
	}
	return off
}
