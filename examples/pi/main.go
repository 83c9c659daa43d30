// Pi: the area under 4/(1+x²) between 0 and 1, by the midpoint rule. The
// interval is cut into fixed pieces whatever the number of ranks, and their
// sums are added in the order of the pieces: so is the last digit the same for
// every number of ranks.
package main

import (
	"context"
	"fmt"
	"math"

	"gridrun/collectives"
	"gridrun/rt"
)

const pieces, steps = 60, 100_000

func main() { rt.Main(pi) }

func pi(ctx context.Context, w *rt.World) error {
	// A piece that is another rank's stays 0 here, so that adding the ranks'
	// slices only ever adds zeros to a piece's sum.
	sums := make([]float64, pieces)
	for p := w.Rank(); p < pieces; p += w.Size() {
		sums[p] = piece(p)
	}
	if err := collectives.AllReduce(ctx, w, sums, collectives.Sum[float64]); err != nil {
		return err
	}
	var area float64
	for _, s := range sums {
		area += s
	}
	if math.Abs(area-math.Pi) > 1e-12 {
		return fmt.Errorf("pi is %.15f, not %.15f", math.Pi, area)
	}
	if w.Rank() == 0 {
		fmt.Fprintf(w.Stdout(), "pi = %.15f\n", area)
	}
	return nil
}

func piece(p int) (sum float64) {
	const width = 1.0 / (pieces * steps)
	for i := p * steps; i < (p+1)*steps; i++ {
		x := (float64(i) + 0.5) * width
		sum += 4 / (1 + x*x)
	}
	return sum * width
}
