package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"gridrun/collectives"
	"gridrun/internal/cost"
)

// noCosts is the value of --costs that leaves the built-in switch points.
const noCosts = "none"

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// choices are the variables by which all ranks choose algorithms alike: what this
// machine and the hosts of the job were measured to need, and what --algorithm wants.
// A file of figures that cannot be used is passed over with a line, which notice gets.
func (f *runFlags) choices(hosts []string, notice func(string)) (env []string, err error) {
	if f.Algorithm != "" {
		if _, err := cost.ParseWishes(f.Algorithm); err != nil {
			return nil, fmt.Errorf("--algorithm: %w", err)
		}
		env = append(env, collectives.AlgorithmVariable+"="+f.Algorithm)
	}
	dir := cost.Dir()
	var r cost.Record
	switch {
	case f.Costs == noCosts: // nor those that an outer job has set
		return append(env, collectives.CostsVariable+"="), nil
	case f.Costs != "":
		r, err = cost.Read(f.Costs, cost.ThisMachine())
	case dir == "" || !exists(dir): // nothing was ever calibrated: do not even ask what machine this is
		return env, nil
	default:
		r, err = cost.Find(dir, cost.ThisMachine(), hosts)
	}
	switch {
	case err == nil:
		env = append(env, collectives.CostsVariable+"="+r.Costs.String())
	case errors.Is(err, fs.ErrNotExist) && f.Costs == "":
	default:
		notice(fmt.Sprintf("the figures of gridrun bench calibrate are not used: %v; measure again, or give --costs none", err))
	}
	return env, nil
}
