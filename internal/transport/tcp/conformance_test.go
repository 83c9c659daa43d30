package tcp

import (
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/transport/transporttest"
)

func TestConformance(t *testing.T) {
	noGoroutineStays(t)
	transporttest.Run(t, func(t *testing.T, n int, sinks []transport.Sink) []transport.Network {
		m := newMesh(t, sinks, nil)
		nets := make([]transport.Network, n)
		for i := range nets {
			nets[i] = m.nets[i]
		}
		return nets
	})
}
