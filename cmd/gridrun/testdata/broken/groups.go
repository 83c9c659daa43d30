package main

import (
	"context"

	"gridrun/collectives"
	"gridrun/rt"
)

// mismatch: rank 2 calls something else than the others.
func mismatch(ctx context.Context, w *rt.World) error {
	if w.Rank() == 2 {
		return collectives.Barrier(ctx, w)
	}
	return collectives.AllReduce(ctx, w, []float64{1}, collectives.Sum)
}

// root: the ranks name each other as the root, so nobody sends.
func root(ctx context.Context, w *rt.World) error {
	return collectives.Bcast(ctx, w, (w.Rank()+1)%w.Size(), make([]int, 4))
}

// count: rank 1 brings one element more than the others.
func count(ctx context.Context, w *rt.World) error {
	n := 8
	if w.Rank() == 1 {
		n++
	}
	return collectives.AllReduce(ctx, w, make([]float64, n), collectives.Sum)
}

// early: rank 1 returns, with success, while the others still count on it.
func early(ctx context.Context, w *rt.World) error {
	for step := range 10 {
		if w.Rank() == 1 && step == 7 {
			return nil
		}
		if err := collectives.Barrier(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// straggler: rank 1 waits for a message that nobody sends, the others for rank 1.
func straggler(ctx context.Context, w *rt.World) error {
	if w.Rank() == 1 {
		if _, err := rt.Recv(ctx, w, 0, 9, []int{0}); err != nil {
			return err
		}
	}
	return collectives.Barrier(ctx, w)
}
