package agent

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"gridrun/internal/agent/guard"
	"gridrun/internal/cpuset"
	"gridrun/internal/wire"
)

// told is what a process says of its CPUs: by the kernel, and by its environment.
const told = `grep Cpus_allowed_list /proc/self/status | tr -d '\n'; echo " $GRIDRUN_CPUS $GOMAXPROCS"`

func TestBinding(t *testing.T) {
	t.Setenv("GOMAXPROCS", "")
	allowed, err := cpuset.Allowed()
	if err != nil {
		t.Fatal(err)
	}
	for _, ranks := range []int{1, 2, 3, 5, 8} {
		for _, policy := range []string{"", cpuset.Core, cpuset.Socket} {
			t.Run(fmt.Sprintf("%d ranks by %q", ranks, policy), func(t *testing.T) {
				var procs []wire.ProcSpec
				for range ranks {
					procs = append(procs, shell(told))
				}
				s := job(procs...)
				s.BindTo, s.TellBound = policy, true
				h := startHost(t, s)
				bound := await(h, anyOf[*wire.Bound])
				h.done()
				if len(bound.Procs) != ranks {
					t.Fatalf("%d bindings of %d ranks", len(bound.Procs), ranks)
				}
				var all cpuset.Set
				for i, b := range bound.Procs {
					set, err := cpuset.Parse(b.CPUs)
					if err != nil || len(set.Minus(allowed)) > 0 {
						t.Errorf("rank %d has %q, allowed are %v", i, b.CPUs, allowed)
					}
					all = all.Union(set)
					said := strings.Fields(h.output(b.Proc, false))
					if len(said) != 4 || said[1] != b.CPUs {
						t.Errorf("rank %d says %q, the agent %q", i, said, b.CPUs)
					}
					if !b.Bound && b.CPUs != allowed.String() {
						t.Errorf("rank %d is not bound, and has %s of %v", i, b.CPUs, allowed)
					}
					if b.Bound && policy == "" {
						t.Errorf("rank %d is bound without being asked to", i)
					}
				}
				if !slices.Equal(all, allowed) {
					t.Errorf("all ranks together have %v, allowed are %v", all, allowed)
				}
			})
		}
	}
}

// A rankfile's CPUs hold; ranks that it does not bind stay free, also when a
// thread that started a bound one starts them.
func TestBindingByNumber(t *testing.T) {
	allowed, err := cpuset.Allowed()
	if err != nil {
		t.Fatal(err)
	}
	last := allowed[len(allowed)-1:]
	procs := []wire.ProcSpec{shell(told), shell(told), shell(told), shell(told), shell(told)}
	for i := range procs {
		if i%2 == 0 {
			procs[i].CPUs = last
		}
		procs[i].Env = []string{"GOMAXPROCS=7"}
	}
	procs = append(procs, shell("true"))
	procs[5].CPUs = []int{allowed[0], cpuset.MaxCPU}
	h := startHost(t, job(procs...))
	e := h.exit(5)
	h.done()
	if want := "CPU 8191 cannot be used: this host allows " + allowed.Label(); e.Code != guard.Refused || e.Error != want {
		t.Errorf("exit %d, %q; want %q", e.Code, e.Error, want)
	}
	for i := range 5 {
		want := allowed.String()
		if i%2 == 0 {
			want = last.String()
		}
		if said := strings.Fields(h.output(i, false)); len(said) != 4 || said[1] != want || said[3] != "7" {
			t.Errorf("rank %d says %q, want CPUs %s and GOMAXPROCS 7", i, said, want)
		}
	}
}
