package agent

import (
	"gridrun/internal/transport/shm"
	"gridrun/internal/wire"
)

// makeSegment makes the shared segment of this host's processes: their rings
// and the wait tables of their ranks. Also a lone process and those that speak
// TCP to each other get it, so that the agent can see what they are blocked in.
func makeSegment(procs []wire.ProcSpec) (*shm.Segment, error) {
	var numbers []int
	var ranks [][]int
	for _, p := range procs {
		numbers = append(numbers, p.Proc)
		ranks = append(ranks, p.Ranks)
	}
	return shm.Create(numbers, ranks)
}
