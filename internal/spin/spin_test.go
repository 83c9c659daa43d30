package spin

import "testing"

func TestReturns(t *testing.T) {
	for range 1000 {
		Pause()
		Yield()
	}
}

func BenchmarkPause(b *testing.B) {
	for b.Loop() {
		Pause()
	}
}

func BenchmarkYield(b *testing.B) {
	for b.Loop() {
		Yield()
	}
}
