// Allreduce: every rank has a vector, and every rank gets their sum; then the
// largest value and where it stands, and a sum within each half of the ranks.
package main

import (
	"context"
	"fmt"

	"gridrun/collectives"
	"gridrun/rt"
)

const length = 1001

func main() { rt.Main(allreduce) }

func allreduce(ctx context.Context, w *rt.World) error {
	n := w.Size()
	x := make([]int64, length)
	for i := range x {
		x[i] = int64(w.Rank() * i)
	}
	if err := collectives.AllReduce(ctx, w, x, collectives.Sum[int64]); err != nil {
		return err
	}
	ranks := int64(n * (n - 1) / 2) // 0 + 1 + ... + n-1
	for i, v := range x {
		if v != ranks*int64(i) {
			return fmt.Errorf("element %d is %d, want %d", i, v, ranks*int64(i))
		}
	}

	height := collectives.Loc[float64]{Value: float64(w.Rank() * 7 % n), Index: int64(w.Rank())}
	top, err := collectives.AllReduceValue(ctx, w, height, collectives.MaxLoc[float64])
	if err != nil {
		return err
	}
	for r := range n {
		if v := float64(r * 7 % n); v > top.Value || v == top.Value && int64(r) < top.Index {
			return fmt.Errorf("rank %d has %v, above %+v", r, v, top)
		}
	}

	half, err := rt.Split(ctx, w, w.Rank()%2, 0)
	if err != nil {
		return err
	}
	defer half.Close()
	members, err := collectives.AllReduceValue(ctx, half, 1, collectives.Sum[int])
	if err != nil {
		return err
	}
	if members != half.Size() {
		return fmt.Errorf("half %d has %d members, counted %d", w.Rank()%2, half.Size(), members)
	}
	if w.Rank() == 0 {
		fmt.Fprintf(w.Stdout(), "%d ranks agree: sum %d, top %v at rank %d, halves of %d and %d\n",
			n, x[length-1], top.Value, top.Index, members, n-members)
	}
	return nil
}
