package agent

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gridrun/internal/wire"
)

// An environment is what the processes with the same additions and directory
// have in common; usually those are all processes of the host.
type environment struct {
	mu    sync.Mutex
	of    *wire.ProcSpec // the process it was made for; nil: none yet
	text  []string
	rank  int // index in text of GRIDRUN_RANK; -1 for none
	local int // of GRIDRUN_LOCAL_RANK
	cpus  int // of GRIDRUN_CPUS
	procs int // of GOMAXPROCS; -1 where the user has set it
}

// minProcs is the least GOMAXPROCS of a rank: with one, transfers would wait for
// computing loops.
const minProcs = 2

// environ is the environment of a process: the agent's own without what another
// launcher has left there, the additions of spec, the names of --env-style, and
// what gridrun tells every process. Of two settings of a name the later one
// holds; only that one is passed on.
func (a *agent) environ(spec *wire.ProcSpec) []string {
	e := &a.environment
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.of == nil || e.of.Dir != spec.Dir || len(e.of.Ranks) == 0 != (len(spec.Ranks) == 0) || !slices.Equal(e.of.Env, spec.Env) {
		e.make(a, spec)
	}
	text := slices.Clone(e.text)
	local := 0
	if len(spec.Ranks) > 0 {
		local = a.localRank[spec.Ranks[0]]
		text[e.rank] = rankVar + strconv.Itoa(spec.Ranks[0])
	}
	text[e.local] = localRankVar + strconv.Itoa(local)
	share := a.share(spec)
	text[e.cpus] = cpusVar + strconv.Itoa(share)
	if e.procs >= 0 {
		text[e.procs] = procsVar + strconv.Itoa(max(share, minProcs))
	}
	return a.style(text, spec)
}

const (
	rankVar      = "GRIDRUN_RANK="
	localRankVar = "GRIDRUN_LOCAL_RANK="
	cpusVar      = "GRIDRUN_CPUS="
	procsVar     = "GOMAXPROCS="
)

func (e *environment) make(a *agent, spec *wire.ProcSpec) {
	add := slices.Clone(spec.Env)
	if spec.Dir != "" {
		add = append(add, "PWD="+spec.Dir)
	}
	if len(spec.Ranks) > 0 {
		add = append(add, rankVar)
	}
	base := scrub(os.Environ())
	if !slices.ContainsFunc(append(base, add...), func(kv string) bool { return strings.HasPrefix(kv, procsVar) }) {
		add = append(add, procsVar)
	}
	e.of = spec
	e.text = mergeEnv(base, append(add,
		localRankVar, cpusVar,
		"GRIDRUN_SIZE="+strconv.Itoa(len(a.start.Topology.RankProc)),
		"GRIDRUN_LOCAL_SIZE="+strconv.Itoa(len(a.localRank)),
		"GRIDRUN_JOB="+a.start.Job,
		"GRIDRUN_CONTROL="+strconv.Itoa(controlFD),
	))
	e.rank, e.local = slices.Index(e.text, rankVar), slices.Index(e.text, localRankVar)
	e.cpus, e.procs = slices.Index(e.text, cpusVar), slices.Index(e.text, procsVar)
}

// mergeEnv sets the additions, "K=V" each, in the environment base.
func mergeEnv(base, add []string) []string {
	set := make(map[string]int, len(base)+len(add))
	out := make([]string, 0, len(base)+len(add))
	for _, list := range [][]string{base, add} {
		for _, kv := range list {
			key, _, ok := strings.Cut(kv, "=")
			if !ok {
				continue
			}
			if i, seen := set[key]; seen {
				out[i] = kv
				continue
			}
			set[key] = len(out)
			out = append(out, kv)
		}
	}
	return out
}
