package collectives_test

import (
	"context"
	"runtime"
	"testing"

	. "gridrun/collectives"
	"gridrun/rt"
)

// Short collectives of ranks that share memory allocate nothing.
func TestShortCallsAllocateNothing(t *testing.T) {
	const calls = 2000
	for _, n := range []int{2, 5} {
		run(t, n, func(ctx context.Context, w *rt.World) error {
			x, all := []float64{1}, make([]float64, n)
			round := func() error {
				if err := Barrier(ctx, w); err != nil {
					return err
				}
				if err := Bcast(ctx, w, 1, x); err != nil {
					return err
				}
				if err := AllGather(ctx, w, x, all); err != nil {
					return err
				}
				return AllReduce(ctx, w, x, Max)
			}
			for range 10 {
				if err := round(); err != nil {
					return err
				}
			}
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			for range calls {
				if err := round(); err != nil {
					return err
				}
			}
			if err := Barrier(ctx, w); err != nil {
				return err
			}
			runtime.ReadMemStats(&after)
			// All ranks' calls are seen; what a sleep allocates is not the calls'.
			if per := float64(after.Mallocs-before.Mallocs) / calls; w.Rank() == 0 && per > 0.5 {
				t.Errorf("%d ranks: %.1f allocations in 4 calls of each", n, per)
			}
			return nil
		})
	}
}
