package diagnose

import (
	"slices"
	"time"

	"gridrun/internal/wire"
)

// A Job is what is known of a job at one moment.
type Job struct {
	Hosts []string
	Procs []Proc
	Waits []Wait
}

// A Wait is an operation that a rank is blocked in. Lasts: it was so all the
// time while the rank's agent looked, so it stood side by side with the others.
type Wait struct {
	wire.Wait
	Lasts bool
}

// A Phase is where a process is in its life.
type Phase int

const (
	NotStarted Phase = iota
	Running
	Ended
)

// A Proc is one process of the job and what it has told.
type Proc struct {
	Host      int
	Ranks     []int
	Pid       int
	Phase     Phase
	How       string          // Ended: how, "" with success
	CPU       time.Duration   // Ended: what it has used in all
	State     *wire.ProcState // nil: its agent has not reported
	Stacks    []byte
	Unmatched []wire.Unmatched
}

// A Finding is one thing worth a line. Ranks are those to look at first.
type Finding struct {
	Text  string
	Ranks []int
}

// A callKey names a collective call: ranks in the same one must do the same.
type callKey struct {
	group uint64
	seq   uint32
}

// An analysis is a Job in the shape that questions are asked in. Index: rank.
type analysis struct {
	job    Job
	procs  []*Proc       // nil: no such rank
	waits  [][]wire.Wait // that lasted
	moving []bool        // has only waits that did not last
	calls  map[callKey]*call
	needs  [][]need
	stuck  []bool
	labels map[uint64]string
	spots  []spot // where ranks are in their program; see doing
}

func analyse(j Job) *analysis {
	n := 0
	for _, p := range j.Procs {
		for _, r := range p.Ranks {
			n = max(n, r+1)
		}
	}
	a := &analysis{
		job:    j,
		procs:  make([]*Proc, n),
		waits:  make([][]wire.Wait, n),
		moving: make([]bool, n),
		calls:  map[callKey]*call{},
		labels: map[uint64]string{},
		spots:  make([]spot, n),
	}
	for i := range j.Procs {
		at := whereabouts(j.Procs[i].Stacks)
		for _, r := range j.Procs[i].Ranks {
			if r >= 0 {
				a.procs[r], a.spots[r] = &j.Procs[i], at
			}
		}
	}
	sorted := slices.Clone(j.Waits)
	slices.SortStableFunc(sorted, func(x, y Wait) int { return x.Rank - y.Rank })
	for _, w := range sorted {
		switch {
		case w.Rank < 0 || w.Rank >= n || a.procs[w.Rank] == nil || a.procs[w.Rank].Phase != Running:
		case !w.Lasts:
			a.moving[w.Rank] = true
		default:
			a.waits[w.Rank] = append(a.waits[w.Rank], w.Wait)
		}
	}
	a.gather()
	a.needs = make([][]need, n)
	for r := range a.waits {
		for _, w := range a.waits[r] {
			a.needs[r] = append(a.needs[r], a.need(w))
		}
	}
	a.stuck = stuck(a.needs, a.gone)
	return a
}

// gone says that nothing more comes from a rank.
func (a *analysis) gone(r int) bool {
	return r < 0 || r >= len(a.procs) || a.procs[r] == nil || a.procs[r].Phase == Ended
}

// need is what must happen for w to end.
func (a *analysis) need(w wire.Wait) need {
	switch {
	case w.Seq > 0 && w.Peer >= 0:
		return need{of: []int{w.Peer}}
	case w.Seq > 0:
		return need{of: a.calls[callKey{w.Group, w.Seq}].missing(a)}
	case w.Peer >= 0:
		return need{of: []int{w.Peer}}
	case !messaging(w.Op):
		return need{outside: true}
	}
	all := make([]int, 0, len(a.procs))
	for r := range a.procs {
		if r != w.Rank {
			all = append(all, r)
		}
	}
	return need{of: all, any: true}
}
