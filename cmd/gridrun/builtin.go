package main

import (
	"context"

	"gridrun/collectives"
	"gridrun/rt"
)

// A job is a rank program that is part of this binary. Names that start with _
// are for gridrun's own measurements and are not listed.
type builtin struct {
	name, summary string
	body          rt.Body
}

func builtins() []builtin {
	return []builtin{
		{"__hello", "every rank takes part in one barrier", hello},
	}
}

func findJob(name string) rt.Body {
	for _, j := range builtins() {
		if j.name == name {
			return j.body
		}
	}
	return nil
}

func jobNames() (names []string) {
	for _, j := range builtins() {
		names = append(names, j.name)
	}
	return names
}

// hello is what `gridrun bench launch` times.
func hello(ctx context.Context, w *rt.World) error { return collectives.Barrier(ctx, w) }
