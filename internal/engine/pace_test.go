package engine

import (
	"testing"
	"time"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// Who waits looks and yields according to the processors of the host, and the time on
// them that its control group has.
func TestPace(t *testing.T) {
	for _, c := range []struct {
		name     string
		here     int
		cpus     int
		quota    float64
		looks    int
		yieldFor time.Duration
	}{
		{"a processor each", 2, 2, 0, pollLooks, yieldFor},
		{"a processor each, no quota", 2, 2, 2, pollLooks, yieldFor},
		{"a processor each, of a quota of half", 2, 2, 1, pollLooks, frugalYieldFor},
		{"alone, on a part", 1, 8, 0.5, pollLooks, frugalYieldFor},
		{"alone, on one", 1, 8, 1, pollLooks, yieldFor},
		{"more processes than processors", 8, 2, 2, crowdedLooks, crowdedYieldFor},
		{"the same, and a quota", 8, 2, 0.5, crowdedLooks, crowdedYieldFor},
	} {
		topo := &wire.Topology{RankProc: make([]int, c.here), RankApp: make([]int, c.here), ProcHost: make([]int, c.here), Hosts: []string{"h"}}
		p := NewProc(Config{Job: "test", Ranks: []int{0}, Topology: topo, CPUs: c.cpus, Quota: c.quota})
		p.nets = []transport.Network{nil}
		if p.pace(); p.looks != c.looks || p.yieldFor != c.yieldFor {
			t.Errorf("%s: %d looks, yields for %v, want %d and %v", c.name, p.looks, p.yieldFor, c.looks, c.yieldFor)
		}
	}
}
