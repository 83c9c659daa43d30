package collectives

import "gridrun/collectives/internal/algo"

// An Option changes how one call works. All ranks must give the same ones.
type Option func(*algo.Choice)

// Ordered folds strictly in rank order: for operations that do not commute, and
// for results that are the same to the bit for a given number of ranks. Without
// a fold it means nothing.
func Ordered() Option { return func(c *algo.Choice) { c.Ordered = true } }

// Algorithm picks an algorithm by name, for experiments; docs/algorithms.md
// lists the names, and so does the error for one that does not exist.
func Algorithm(name string) Option { return func(c *algo.Choice) { c.Name = name } }
