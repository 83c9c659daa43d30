package collectives_test

import (
	"context"
	"fmt"
	"testing"

	. "gridrun/collectives"
	"gridrun/rt"
)

// Buffers of the V forms may be longer than their counts need, and not by the
// same on all ranks: what is behind the last block is not touched, nor sent.
func TestLongerBuffers(t *testing.T) {
	const mark = -7
	for _, n := range []int{1, 2, 3, 5, 8} {
		counts, off := make([]int, n), 0
		for r := range counts {
			counts[r] = (r*5 + 2) % 7
			off += counts[r]
		}
		buffer := func(extra int, fill func(r, i int) int32) []int32 {
			var all []int32
			for r, c := range counts {
				for i := range c {
					all = append(all, fill(r, i))
				}
			}
			for range extra {
				all = append(all, mark)
			}
			return all
		}
		block := func(r int) []int32 {
			x := make([]int32, counts[r])
			for i := range x {
				x[i] = int32(100*r + i)
			}
			return x
		}
		blocks := func(r, i int) int32 { return int32(100*r + i) }
		zeros := func(r, i int) int32 { return 0 }
		err := rt.Run(t.Context(), n, func(ctx context.Context, w *rt.World) error {
			me := w.Rank()
			for _, name := range []string{"bruck", "doubling", "ring", ""} {
				all := buffer(3+2*me, zeros)
				if err := AllGatherV(ctx, w, block(me), all, counts, Algorithm(name)); err != nil {
					return fmt.Errorf("AllGatherV %s: %w", name, err)
				}
				if err := expect("AllGatherV "+name, all, buffer(3+2*me, blocks)); err != nil {
					return err
				}
			}
			for _, name := range []string{"binomial", "linear"} {
				for root := range n {
					all := buffer(3+2*me, zeros)
					want := all
					if me == root {
						want = buffer(3+2*me, blocks)
					}
					if err := GatherV(ctx, w, root, block(me), all, counts, Algorithm(name)); err != nil {
						return fmt.Errorf("GatherV %s: %w", name, err)
					}
					if err := expect(fmt.Sprintf("GatherV %s to %d", name, root), all, want); err != nil {
						return err
					}
					x := make([]int32, counts[me])
					if err := ScatterV(ctx, w, root, buffer(3+2*me, blocks), counts, x, Algorithm(name)); err != nil {
						return fmt.Errorf("ScatterV %s: %w", name, err)
					}
					if err := expect(fmt.Sprintf("ScatterV %s from %d", name, root), x, block(me)); err != nil {
						return err
					}
				}
			}
			return nil
		})
		if err != nil {
			t.Errorf("%d ranks: %v", n, err)
		}
	}
}
