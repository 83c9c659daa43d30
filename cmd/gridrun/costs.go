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

// costsPath is where the figures of this machine are kept; "" for nowhere.
func costsPath(flag string) string {
	switch dir := cost.Dir(); {
	case flag == noCosts:
		return ""
	case flag != "":
		return flag
	case dir == "":
		return ""
	case !exists(dir): // nothing was ever calibrated: do not even ask what machine this is
		return ""
	default:
		return cost.ThisMachine().Path(dir)
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// choices are the variables by which all ranks choose algorithms alike: what this
// machine was measured to need, and what --algorithm wants. A file of figures that
// cannot be used is passed over with a line, which notice gets.
func (f *runFlags) choices(notice func(string)) (env []string, err error) {
	if f.Algorithm != "" {
		if _, err := cost.ParseWishes(f.Algorithm); err != nil {
			return nil, fmt.Errorf("--algorithm: %w", err)
		}
		env = append(env, collectives.AlgorithmVariable+"="+f.Algorithm)
	}
	path := costsPath(f.Costs)
	if path == "" {
		if f.Costs == noCosts { // also those that an outer job has set
			env = append(env, collectives.CostsVariable+"=")
		}
		return env, nil
	}
	r, err := cost.Read(path, cost.ThisMachine())
	switch {
	case err == nil:
		env = append(env, collectives.CostsVariable+"="+r.Costs.String())
	case errors.Is(err, fs.ErrNotExist) && f.Costs == "":
	default:
		notice(fmt.Sprintf("the figures of gridrun bench calibrate are not used: %v; measure again, or give --costs none", err))
	}
	return env, nil
}
