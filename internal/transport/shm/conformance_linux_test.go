package shm

import (
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/transport/transporttest"
)

func TestConformance(t *testing.T) {
	t.Run("Attached", func(t *testing.T) {
		transporttest.Run(t, func(t *testing.T, n int, sinks []transport.Sink) []transport.Network {
			return connect(t, segments(t, n), sinks)
		})
	})
	// All in one mapping, and spread over several ready words: process i has
	// local index 8i+7 among 131, the others never come.
	t.Run("Spread", func(t *testing.T) {
		transporttest.Run(t, func(t *testing.T, n int, sinks []transport.Sink) []transport.Network {
			procs, ranks := numbers(131)
			for i := range procs {
				procs[i] += 1000
			}
			for i := range n {
				procs[8*i+7] = i
			}
			s, err := Create(procs, ranks)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { s.Close() })
			same := make([]*Segment, n)
			for i := range same {
				same[i] = s
			}
			return connect(t, same, sinks)
		})
	})
}

func connect(t testing.TB, segs []*Segment, sinks []transport.Sink) []transport.Network {
	t.Helper()
	nets := make([]transport.Network, len(sinks))
	for i := range nets {
		n, err := Open(segs[i], i, sinks[i])
		if err != nil {
			t.Fatal(err)
		}
		nets[i] = n
	}
	return nets
}
