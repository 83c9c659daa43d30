package agent

import (
	"errors"
	"fmt"
	"os"
	"syscall"

	"gridrun/internal/cpuset"
	"gridrun/internal/wire"
)

// cpus is which CPUs of the host its processes get. It does not change once the
// starting threads run.
type cpus struct {
	usable  int                // at once: the quota of the control group heeded
	allowed cpuset.Set         // by affinity mask; nil: unknown, as nobody needs it
	bound   map[int]cpuset.Set // of each process that is bound
}

// divideCPUs decides who is bound to what.
func (a *agent) divideCPUs() error {
	a.cpus.bound = map[int]cpuset.Set{}
	asked := false
	var ranks []int
	for i := range a.start.Procs {
		spec := &a.start.Procs[i]
		ranks = append(ranks, len(spec.Ranks))
		if len(spec.CPUs) > 0 {
			a.cpus.bound[spec.Proc] = cpuset.Set(nil).Union(spec.CPUs)
			asked = true
		}
	}
	divide := a.start.BindTo == cpuset.Core || a.start.BindTo == cpuset.Socket
	if !asked && !divide && !a.start.TellBound {
		return nil
	}
	var err error
	if a.cpus.allowed, err = cpuset.Allowed(); err != nil {
		return err
	}
	if !divide {
		return nil
	}
	topology := cpuset.ReadTopology(os.DirFS("/sys"), a.cpus.allowed)
	sets := topology.Divide(a.start.BindTo, ranks, a.cpus.usable)
	if sets == nil {
		a.link.send(&wire.Notice{Here: true, Text: fmt.Sprintf("--bind-to %s: %d ranks on %d cores, so none is bound",
			a.start.BindTo, len(a.localRank), min(len(topology.Cores), a.cpus.usable))})
		return nil
	}
	for i, spec := range a.start.Procs {
		if a.cpus.bound[spec.Proc] == nil {
			a.cpus.bound[spec.Proc] = sets[i]
		}
	}
	return nil
}

// bind makes the calling starting thread start process proc where it belongs; -1
// stands for what is never bound.
func (a *agent) bind(proc int) error {
	if len(a.cpus.bound) == 0 {
		return nil
	}
	set, bound := a.cpus.bound[proc]
	if !bound {
		return a.cpus.allowed.Bind() // the process before may have been
	}
	if beyond := set.Minus(a.cpus.allowed); len(beyond) > 0 {
		return fmt.Errorf("%s cannot be used: this host allows %s", beyond.Label(), a.cpus.allowed.Label())
	}
	return set.Bind()
}

// boundTo is what the kernel says of a process that the calling thread has just
// started; "" when nobody wants to know.
func (a *agent) boundTo(pid int) string {
	if !a.start.TellBound {
		return ""
	}
	set, err := cpuset.Of(pid)
	if errors.Is(err, syscall.ESRCH) {
		set, err = cpuset.Of(0) // it has ended; it had what its parent has
	}
	if err != nil {
		return err.Error()
	}
	return set.String()
}

// tellBound answers --report-bindings.
func (a *agent) tellBound() {
	if !a.start.TellBound {
		return
	}
	m := new(wire.Bound)
	for _, p := range a.procs {
		if p.bound != "" {
			m.Procs = append(m.Procs, wire.Binding{Proc: p.spec.Proc, CPUs: p.bound, Bound: a.cpus.bound[p.spec.Proc] != nil})
		}
	}
	a.link.send(m)
}

// share is how many CPUs the process of spec should think it has.
func (a *agent) share(spec *wire.ProcSpec) int {
	return cpuset.Share(a.cpus.bound[spec.Proc], len(spec.Ranks), len(a.localRank), a.cpus.usable)
}
