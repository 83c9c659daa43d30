// Command broken is a collection of programs with one mistake each. What gridrun
// says about them stands in docs/diagnosis.md:
//
//	gridrun -np 3 --timeout 2 ./cmd/gridrun/testdata/broken ring
package main

import (
	"context"
	"fmt"

	"gridrun/rt"
)

// programs are the mistakes, by name.
var programs = map[string]rt.Body{
	"ring":      ring,
	"headon":    headon,
	"tag":       tag,
	"self":      self,
	"any":       anybody,
	"mismatch":  mismatch,
	"root":      root,
	"count":     count,
	"early":     early,
	"straggler": straggler,
	"file":      file,
	"spin":      spin,
	"channel":   channel,
	"truncated": truncated,
	"type":      wrongType,
	"panic":     panics,
	"exit":      exits,
	"killed":    killed,
}

func main() {
	rt.Main(func(ctx context.Context, w *rt.World) error {
		args := w.Args()
		if len(args) == 0 || programs[args[0]] == nil {
			return fmt.Errorf("which of them? %q is none", args)
		}
		return programs[args[0]](ctx, w)
	})
}
