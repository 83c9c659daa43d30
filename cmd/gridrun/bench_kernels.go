package main

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"time"

	"gridrun/bench/kernels"
)

// kernelsFlags are the flags of `gridrun bench kernels`.
type kernelsFlags struct {
	Sizes  []sizeFlag `placeholder:"BYTES,..." help:"Lengths of buffers (default: 64K,16M)."`
	Rounds count      `default:"3" placeholder:"N" help:"Times that all is measured (default: 3)."`
	Budget seconds    `default:"0.005" placeholder:"S" help:"Time for a figure (default: 0.005)."`
	JSON   bool       `name:"json" help:"Print JSON."`
}

func (f *kernelsFlags) run(ctx context.Context, _ []string) (int, error) {
	lengths := []int{64 << 10, 16 << 20}
	if len(f.Sizes) > 0 {
		lengths = nil
		for _, s := range f.Sizes {
			if s < 1<<10 || s%64 != 0 {
				return 0, errors.New("--sizes: buffers have 1K and more, a multiple of 64 bytes")
			}
			lengths = append(lengths, int(s))
		}
	}
	r, err := kernels.Measure(ctx, lengths, int(f.Rounds), time.Duration(f.Budget))
	if err != nil {
		return 0, err
	}
	if f.JSON {
		e := json.NewEncoder(os.Stdout)
		e.SetIndent("", "  ")
		return 0, e.Encode(r)
	}
	r.Print(os.Stdout)
	return 0, nil
}
