package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"

	"gridrun/bench/cost"
)

// costFlags are the flags of `gridrun bench cost`.
type costFlags struct {
	Rounds    count `default:"1000" placeholder:"N" help:"Slices of 1 ms for each way (default: 1000)."`
	WithTrace bool  `help:"Measure --trace as well."`
	JSON      bool  `name:"json" help:"Print JSON."`
}

// run measures what messages cost with and without being watched.
func (f *costFlags) run(ctx context.Context, _ []string) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	task := cost.Task{Self: self, Rounds: int(f.Rounds), Trace: f.WithTrace, Limit: time.Minute + time.Duration(f.Rounds)*time.Second/4}
	report, err := cost.Measure(ctx, task, func(what string) { fmt.Fprintln(os.Stderr, what) })
	if err != nil {
		return 0, err
	}
	if f.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return 0, e.Encode(report)
	}
	report.Print(os.Stdout)
	return 0, nil
}
