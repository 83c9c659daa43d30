package main

import (
	"context"
	"encoding/json"
	"os"

	"gridrun/bench/scale"
)

// scaleFlags are the flags of `gridrun bench scale`.
type scaleFlags struct {
	Sizes []int `default:"100,1000,4000" placeholder:"N,..." help:"Numbers of hosts (100,1000,4000)."`
	JSON  bool  `name:"json" help:"Print JSON."`
}

// run measures the launcher with agents that are played.
func (f *scaleFlags) run(ctx context.Context, _ []string) (int, error) {
	self, err := os.Executable()
	if err != nil {
		return 0, err
	}
	rows, err := scale.Run(ctx, self, f.Sizes)
	if err != nil {
		return 0, err
	}
	if f.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return 0, e.Encode(rows)
	}
	if err := scale.Print(os.Stdout, rows); err != nil {
		return 0, err
	}
	return 0, scale.PrintPrediction(os.Stdout, rows)
}
