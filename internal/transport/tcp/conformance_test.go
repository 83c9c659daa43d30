package tcp

import (
	"fmt"
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/transport/transporttest"
)

func TestConformance(t *testing.T) {
	for _, readers := range []bool{false, true} {
		t.Run(fmt.Sprintf("readers=%t", readers), func(t *testing.T) {
			noGoroutineStays(t)
			transporttest.Run(t, func(t *testing.T, n int, sinks []transport.Sink) []transport.Network {
				return newMesh(t, sinks, func(m *mesh, _ *Config) { m.readers, m.undriven = readers, true }).polled
			})
		})
	}
}
