package collectives_test

import (
	"context"
	"math"
	"runtime"
	"testing"

	. "gridrun/collectives"
	"gridrun/rt"
)

// Short collectives of ranks that share memory allocate nothing.
func TestShortCallsAllocateNothing(t *testing.T) {
	const tries, calls = 8, 250
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
			// All ranks' calls are seen; what a sleep allocates, and on a busy machine
			// there are many, is not the calls': the best try counts.
			least := math.Inf(1)
			for range tries {
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
				least = min(least, float64(after.Mallocs-before.Mallocs)/calls)
			}
			if w.Rank() == 0 && least > 0.5 && !raceEnabled { // under the race detector a sleep makes a channel
				t.Errorf("%d ranks: %.1f allocations in 4 calls of each", n, least)
			}
			return nil
		})
	}
}
