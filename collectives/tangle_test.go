package collectives_test

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	. "gridrun/collectives"
	"gridrun/rt"
)

// Goroutines of a rank that call collectives on one group at the same time have
// no common order among the ranks: their calls disagree. All of them must fail,
// and nothing worse.
func TestTangledCalls(t *testing.T) {
	const n, goroutines, tries = 3, 4, 40
	for _, name := range []string{"", "ring"} {
		t.Run(fmt.Sprintf("algorithm=%q", name), func(t *testing.T) {
			err := rt.Run(t.Context(), n, func(ctx context.Context, w *rt.World) error {
				ctx, cancel := context.WithTimeout(ctx, 60*time.Second)
				defer cancel()
				for range tries {
					g, err := rt.Dup(ctx, w)
					if err != nil {
						return err
					}
					if err := Barrier(ctx, g); err != nil {
						return err
					}
					var wg sync.WaitGroup
					errs := make([]error, goroutines)
					for i := range errs {
						wg.Go(func() {
							// Different lengths: no two goroutines' calls fit.
							for range 20 {
								err := AllReduce(ctx, g, make([]int32, 5000+i), Sum, Algorithm(name))
								if errs[i] == nil {
									errs[i] = err
								}
							}
						})
					}
					wg.Wait()
					if ctx.Err() != nil {
						return context.Cause(ctx)
					}
					for _, err := range errs {
						if err != nil && !errors.Is(err, rt.ErrMismatch) && !errors.Is(err, rt.ErrRevoked) {
							return err
						}
					}
					if err := Barrier(ctx, w); err != nil {
						return err
					}
					g.Close()
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
		})
	}
}
