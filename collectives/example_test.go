package collectives_test

import (
	"context"
	"fmt"

	"gridrun/collectives"
	"gridrun/rt"
)

// Every rank brings a few numbers; all get the sums, and rank 0 prints them.
func ExampleAllReduce() {
	err := rt.Run(context.Background(), 5, func(ctx context.Context, w *rt.World) error {
		x := []float64{1, float64(w.Rank())}
		if err := collectives.AllReduce(ctx, w, x, collectives.Sum); err != nil {
			return err
		}
		if w.Rank() == 0 {
			fmt.Println(x)
		}
		return nil
	})
	fmt.Println(err)
	// Output:
	// [5 10]
	// <nil>
}

// Composing maps x -> ax+b does not commute, so the ranks' order matters.
func ExampleOrdered() {
	type affine struct{ A, B int }
	compose := func(dst, src []affine) {
		for i, s := range src {
			dst[i] = affine{s.A * dst[i].A, s.A*dst[i].B + s.B}
		}
	}
	err := rt.Run(context.Background(), 3, func(ctx context.Context, w *rt.World) error {
		all, err := collectives.AllReduceValue(ctx, w, affine{A: 2, B: w.Rank()}, compose, collectives.Ordered())
		if err == nil && w.Rank() == 2 {
			fmt.Printf("%dx + %d\n", all.A, all.B)
		}
		return err
	})
	fmt.Println(err)
	// Output:
	// 8x + 4
	// <nil>
}
