package environ

import (
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"

	"gridrun/internal/wire"
)

// A Host makes the environments of a host's processes. It keeps what those with
// the same additions and directory have in common; usually that is all of them.
type Host struct {
	start     *wire.Start
	localRank map[int]int                   // index of each world rank among those of this host
	share     func(spec *wire.ProcSpec) int // CPUs that a process should think it has

	mu    sync.Mutex
	of    *wire.ProcSpec // the process it was made for; nil: none yet
	text  []string
	rank  int // index in text of GRIDRUN_RANK; -1 for none
	local int // of GRIDRUN_LOCAL_RANK
	cpus  int // of GRIDRUN_CPUS
	procs int // of GOMAXPROCS; -1 where the user has set it
}

// ControlFD is a process's end of its control socket, as GRIDRUN_CONTROL says.
const ControlFD = 3

// minProcs is the least GOMAXPROCS of a rank: with one, transfers would wait for
// computing loops.
const minProcs = 2

// New makes environments for the processes of start; share says how many CPUs a
// process should think it has.
func New(start *wire.Start, localRank map[int]int, share func(spec *wire.ProcSpec) int) *Host {
	return &Host{start: start, localRank: localRank, share: share}
}

// Of is the environment of a process: the agent's own without what another
// launcher has left there, the additions of spec, the names of --env-style, and
// what gridrun tells every process. Of two settings of a name the later one
// holds; only that one is passed on.
func (e *Host) Of(spec *wire.ProcSpec) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.of == nil || e.of.Dir != spec.Dir || len(e.of.Ranks) == 0 != (len(spec.Ranks) == 0) || !slices.Equal(e.of.Env, spec.Env) {
		e.make(spec)
	}
	text := slices.Clone(e.text)
	local := 0
	if len(spec.Ranks) > 0 {
		local = e.localRank[spec.Ranks[0]]
		text[e.rank] = rankVar + strconv.Itoa(spec.Ranks[0])
	}
	text[e.local] = localRankVar + strconv.Itoa(local)
	share := e.share(spec)
	text[e.cpus] = cpusVar + strconv.Itoa(share)
	if e.procs >= 0 {
		text[e.procs] = procsVar + strconv.Itoa(max(share, minProcs))
	}
	return e.style(text, spec)
}

const (
	rankVar      = "GRIDRUN_RANK="
	localRankVar = "GRIDRUN_LOCAL_RANK="
	cpusVar      = "GRIDRUN_CPUS="
	procsVar     = "GOMAXPROCS="
)

func (e *Host) make(spec *wire.ProcSpec) {
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
	e.text = Merge(base, append(add,
		localRankVar, cpusVar,
		"GRIDRUN_SIZE="+strconv.Itoa(len(e.start.Topology.RankProc)),
		"GRIDRUN_LOCAL_SIZE="+strconv.Itoa(len(e.localRank)),
		"GRIDRUN_JOB="+e.start.Job,
		"GRIDRUN_CONTROL="+strconv.Itoa(ControlFD),
	))
	e.rank, e.local = slices.Index(e.text, rankVar), slices.Index(e.text, localRankVar)
	e.cpus, e.procs = slices.Index(e.text, cpusVar), slices.Index(e.text, procsVar)
}

// Merge sets the additions, "K=V" each, in the environment base.
func Merge(base, add []string) []string {
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
