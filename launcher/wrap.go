package launcher

import (
	"os"
	"slices"
	"strings"

	"gridrun/launcher/place"
	"gridrun/launcher/rankset"
)

// wrapper is the command that starts a process's program on host h; nil: the
// program is started as it is.
func (j *Job) wrapper(p place.Proc, h int) []string {
	ranks := j.spec.WrapRanks
	if ranks != nil && !slices.ContainsFunc(p.Ranks, func(r int) bool { return slices.Contains(ranks, r) }) {
		return nil
	}
	replace := strings.NewReplacer("{rank}", rankset.Fold(p.Ranks), "{host}", j.plan.Hosts[h].Name, "{job}", j.id)
	var words []string
	for _, w := range j.spec.Wrap {
		words = append(words, replace.Replace(w))
	}
	return words
}

// leader is the host of rank 0 as other hosts of the job call it.
func (j *Job) leader() string {
	for _, p := range j.plan.Procs {
		if !slices.Contains(p.Ranks, 0) {
			continue
		}
		host := j.plan.Hosts[p.Host]
		switch {
		case len(j.plan.Hosts) == 1:
			return "127.0.0.1"
		case !host.Local():
			return host.Name
		}
	}
	name, err := os.Hostname()
	if err != nil {
		return "localhost"
	}
	return name
}
