package scale

import (
	"testing"
	"time"
)

func TestPredict(t *testing.T) {
	c := Cost{Client: 10 * time.Millisecond, Server: 100 * time.Millisecond, Relay: 20 * time.Millisecond, Cores: 1, Window: 4}
	for _, x := range []struct {
		n, fanout int
		ms        int64
	}{
		{0, 0, 0},
		{1, 0, 110},
		{1, 8, 110},
		{4, 0, 140},
		{5, 0, 220}, // the fifth waits for the first
		{2, 2, 120},
		{3, 2, 110 + 20 + 110},
		{6, 2, 120 + 20 + 120}, // all on the second level
		{7, 2, 110 + 20 + 110 + 20 + 110},
	} {
		if got := Predict(x.n, x.fanout, c).Milliseconds(); got != x.ms {
			t.Errorf("%d hosts, fan-out %d: %d ms, want %d", x.n, x.fanout, got, x.ms)
		}
	}
	c.Through = 200 * time.Millisecond // then the launcher is what everybody waits for
	if got := Predict(6, 2, c).Milliseconds(); got != 20+4*200 {
		t.Errorf("%d ms", got)
	}
	previous := time.Duration(0)
	for _, n := range []int{1, 2, 93, 1000, 4000} {
		got := Predict(n, 0, Measured)
		if got < previous {
			t.Errorf("%d hosts take %v, fewer %v", n, got, previous)
		}
		previous = got
	}
}
