// Command survive adds up pi by pieces and finishes whatever happens to its
// ranks, as long as one is left:
//
//	gridrun -np 8 --on-failure continue ./examples/survive -deaths 3
//
// With -deaths N, N ranks kill themselves on the way. Those that are left make a
// group of their own and share out the pieces of the dead anew.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"

	"gridrun/collectives"
	"gridrun/rt"
)

const rounds, terms = 40, 100_000

func main() { rt.Main(body) }

func body(ctx context.Context, w *rt.World) error {
	flags := flag.NewFlagSet("survive", flag.ContinueOnError)
	deaths := flags.Int("deaths", 0, "ranks that kill themselves")
	if err := flags.Parse(w.Args()); err != nil {
		return err
	}
	var g rt.Group = w
	pi := 0.0
	for round := 0; round < rounds; {
		if w.Rank() > 0 && w.Rank() <= *deaths && round == 10*w.Rank()%rounds {
			self, err := os.FindProcess(os.Getpid())
			if err != nil {
				return err
			}
			return errors.Join(self.Kill(), <-make(chan error))
		}
		sum, err := collectives.AllReduceValue(ctx, g, piece(round, g.Rank(), g.Size()), collectives.Sum[float64])
		if err != nil {
			rt.Revoke(g, err) // nobody is left waiting in this group
		}
		all, ended, err := rt.Agree(ctx, g, err == nil)
		if err != nil {
			return err
		}
		if all { // the round counts on every rank, or on none
			pi += sum
			round++
		}
		if len(ended) > 0 {
			rt.Revoke(g, fmt.Errorf("%d ranks have ended", len(ended)))
			if g, err = rt.Shrink(ctx, g); err != nil {
				return err
			}
		}
	}
	if math.Abs(pi-math.Pi) > 1e-6 {
		return fmt.Errorf("pi is %.9f", pi)
	}
	if g.Rank() == 0 {
		fmt.Fprintf(w.Stdout(), "pi is %.7f, say %d of %d ranks\n", pi, g.Size(), w.Size())
	}
	return nil
}

// piece is rank me's share, of n, of a round of Leibniz's series.
func piece(round, me, n int) (sum float64) {
	for k := round*terms + me; k < (round+1)*terms; k += n {
		sum += 4 * math.Pow(-1, float64(k%2)) / float64(2*k+1)
	}
	return sum
}
