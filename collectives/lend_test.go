package collectives

import (
	"context"
	"fmt"
	"slices"
	"testing"

	"gridrun/rt"
)

// TestLentInPlace: goroutine ranks read each other's buffers of more than a stage,
// also where a rank's block stands in its place in the result already.
func TestLentInPlace(t *testing.T) {
	const n = 50_000 // elements, of 4 bytes
	for _, p := range []int{1, 2, 3, 5, 8} {
		err := rt.Run(context.Background(), p, func(ctx context.Context, w *rt.World) error {
			all, want := make([]int32, n*p), make([]int32, n*p)
			for r := range p {
				for i := range n {
					want[r*n+i] = int32(r*n + i)
				}
			}
			x := all[w.Rank()*n:][:n]
			copy(x, want[w.Rank()*n:])
			if err := AllGather(ctx, w, x, all); err != nil {
				return err
			}
			if !slices.Equal(all, want) {
				return fmt.Errorf("rank %d of %d: another result", w.Rank(), p)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	}
}
