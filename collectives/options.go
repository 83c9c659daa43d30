package collectives

import (
	"os"
	"strconv"
	"sync"

	"gridrun/collectives/internal/algo"
)

// An Option changes how one call works. All ranks must give the same ones.
type Option func(*algo.Choice)

// Ordered folds strictly in rank order: for operations that do not commute, and
// for results that are the same to the bit for a given number of ranks. Without
// a fold it means nothing.
func Ordered() Option { return func(c *algo.Choice) { c.Ordered = true } }

// Algorithm picks an algorithm by name, for experiments; docs/algorithms.md
// lists the names, and so does the error for one that does not exist.
func Algorithm(name string) Option { return func(c *algo.Choice) { c.Name = name } }

// ReproducibleVariable, set to 1 for all ranks (gridrun --reproducible does it),
// makes every reduction [Ordered]: for a given number of ranks the result is the
// same to the bit, wherever they run and whatever the algorithm.
const ReproducibleVariable = "GRIDRUN_REPRODUCIBLE"

var reproducible = sync.OnceValue(func() bool {
	is, err := strconv.ParseBool(os.Getenv(ReproducibleVariable))
	return err == nil && is
})
