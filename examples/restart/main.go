// Command restart counts its steps in checkpoints, so that it goes on where it
// was when it is started again:
//
//	gridrun -np 4 --restarts 3 ./examples/restart -deaths 3 -dir run1
//
// With -deaths N, a rank kills itself in each of the first N starts.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"strconv"

	"gridrun/collectives"
	"gridrun/rt"
	"gridrun/rt/checkpoint"
)

const steps = 20

func main() { rt.Main(body) }

func body(ctx context.Context, w *rt.World) error {
	flags := flag.NewFlagSet("restart", flag.ContinueOnError)
	deaths := flags.Int("deaths", 0, "starts in which a rank kills itself")
	dir := flags.String("dir", "", "directory of the checkpoints, the same for all ranks")
	if err := flags.Parse(w.Args()); err != nil {
		return err
	}
	var temp string
	if *dir == "" && w.Rank() == 0 { // nothing to come back to
		var err error
		if temp, err = os.MkdirTemp("", "restart"); err != nil {
			return err
		}
		defer os.RemoveAll(temp)
	}
	temp, err := collectives.BcastValue(ctx, w, 0, temp)
	if err != nil {
		return err
	}
	store := checkpoint.Store{Dir: *dir + temp}
	start, _ := strconv.Atoi(os.Getenv("GRIDRUN_RESTART")) // 0: the first

	x := make([]int, 1000)
	vars := checkpoint.Slice("x", &x)
	step, err := store.Load(ctx, w, vars)
	if err != nil && !errors.Is(err, checkpoint.ErrNone) {
		return err
	}
	for step < steps {
		if start < *deaths && step == int64(5*(start+1)) && w.Rank() == start%w.Size() {
			self, err := os.FindProcess(os.Getpid())
			return errors.Join(err, self.Kill(), <-make(chan error))
		}
		for i := range x {
			x[i] += w.Rank() + i
		}
		step++
		if err := store.Save(ctx, w, step, vars); err != nil {
			return err
		}
	}
	for i := range x {
		if x[i] != steps*(w.Rank()+i) {
			return fmt.Errorf("x[%d] is %d after %d steps", i, x[i], steps)
		}
	}
	if w.Rank() == 0 {
		fmt.Fprintf(w.Stdout(), "%d steps in %d starts\n", steps, start+1)
	}
	return collectives.Barrier(ctx, w)
}
