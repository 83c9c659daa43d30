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
	t.Run("OneMapping", func(t *testing.T) {
		transporttest.Run(t, func(t *testing.T, n int, sinks []transport.Sink) []transport.Network {
			one := segments(t, n)[0]
			same := make([]*Segment, n)
			for i := range same {
				same[i] = one
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
