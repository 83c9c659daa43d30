package collectives

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"
	"time"

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

// TestLentAndGivenUp: a rank whose ctx ends in the middle has its buffers to itself
// when the call has returned, though the others have not noticed yet.
func TestLentAndGivenUp(t *testing.T) {
	const n, p = 30_000, 3
	calls := map[string]func(ctx context.Context, w *rt.World, x []int64, op Op[int64]) error{
		"Reduce":    func(ctx context.Context, w *rt.World, x []int64, op Op[int64]) error { return Reduce(ctx, w, 0, x, op) },
		"AllReduce": func(ctx context.Context, w *rt.World, x []int64, op Op[int64]) error { return AllReduce(ctx, w, x, op) },
		"ReduceScatter": func(ctx context.Context, w *rt.World, x []int64, op Op[int64]) error {
			return ReduceScatter(ctx, w, x, make([]int64, n/p), op)
		},
	}
	for name, call := range calls {
		t.Run(name, func(t *testing.T) {
			returned, cancelled := make(chan struct{}), make(chan struct{})
			var others sync.WaitGroup
			others.Add(p - 1)
			err := rt.RunWith(context.Background(), p, func(ctx context.Context, w *rt.World) error {
				x := make([]int64, n)
				if w.Rank() != 0 {
					op := func(dst, src []int64) {
						if w.Rank() == 1 { // reads and writes what rank 0 has lent
							<-cancelled
							select {
							case <-returned:
							case <-time.After(50 * time.Millisecond):
							}
						}
						for i := range dst {
							dst[i] += src[i] + 1
						}
					}
					defer others.Done()
					call(ctx, w, x, op)
					return nil
				}
				mine, cancel := context.WithCancel(ctx)
				op := func(dst, src []int64) {
					if cancel != nil {
						cancel()
						close(cancelled)
						cancel = nil
					}
				}
				if err := call(mine, w, x, op); !errors.Is(err, context.Canceled) {
					return fmt.Errorf("it ended with %v", err)
				}
				for i := range x { // a data race if others are at it
					x[i] = -7
				}
				close(returned)
				others.Wait()
				if i := slices.IndexFunc(x, func(v int64) bool { return v != -7 }); i >= 0 {
					return fmt.Errorf("element %d was written after the call had returned", i)
				}
				return nil
			}, rt.KeepSurvivors())
			if err != nil {
				t.Error(err)
			}
		})
	}
}
