package timeline

import (
	"math"
	"math/rand/v2"
	"testing"
)

// A clock is a simulated host's: our time t is its time offset + t*(1+drift).
type clock struct {
	offset int64
	drift  float64
}

func (c clock) at(t int64) int64 { return c.offset + t + int64(c.drift*float64(t)) }

// TestFit: over a network whose delays vary, and differ between the ways, the
// estimate is right to within its own Error.
func TestFit(t *testing.T) {
	for name, c := range map[string]struct {
		clock
		samples      int
		every        int64 // ns
		least, extra float64
		within       float64 // ns, at the ends of the time sampled
	}{
		"one look":          {clock{5e12, 0}, 1, 0, 1e5, 0, 1e5},
		"behind":            {clock{-3e9, 0}, 8, 1e6, 1e5, 1e6, 1e5},
		"drifting":          {clock{1e15, 40e-6}, 3600, 1e9, 1e5, 2e6, 3e5},
		"drifting backward": {clock{7, -90e-6}, 600, 1e9, 2e4, 1e6, 3e5},
		"wide area":         {clock{1e9, 10e-6}, 100, 1e9, 5e7, 2e7, 3e7},
	} {
		t.Run(name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			delay := func() int64 { return int64(c.least/2 + r.ExpFloat64()*c.extra/4) }
			var samples []Sample
			for i := range c.samples {
				sent := int64(i) * c.every
				there := sent + delay()
				samples = append(samples, Sample{sent, c.at(there), there + delay()})
			}
			l, ok := Fit(samples)
			if !ok {
				t.Fatal("no estimate")
			}
			for _, at := range []int64{0, int64(c.samples) * c.every / 2, int64(c.samples-1) * c.every} {
				if wrong := math.Abs(float64(l.Map(c.at(at)) - at)); wrong > c.within || wrong > float64(2*l.Error)+c.within/10 {
					t.Errorf("at %d ns it is wrong by %v ns, Error %d", at, wrong, l.Error)
				}
			}
		})
	}
}

func TestFitOfNothing(t *testing.T) {
	if _, ok := Fit(nil); ok {
		t.Error("an estimate from nothing")
	}
	if _, ok := Fit([]Sample{{Sent: 10, Back: 5}}); ok {
		t.Error("an estimate from an answer before its question")
	}
	if got := (Line{}).Map(42); got != 42 {
		t.Errorf("a shared clock maps 42 to %d", got)
	}
}

// TestFitHostile: a host that answers nonsense gets a place in time, no more.
func TestFitHostile(t *testing.T) {
	l, ok := Fit([]Sample{{0, math.MaxInt64, 1}, {5e9, math.MinInt64, 5e9 + 1}, {9e9, 0, 9e9 + 1}})
	t.Log(l.Map(0), ok)
}

func TestThin(t *testing.T) {
	got := Thin([]Sample{{0, 0, 5}, {10, 0, 12}, {20, 0, 21}, {30, 0, 35}, {40, 0, 41}})
	if len(got) != 3 || got[0].Sent != 10 || got[1].Sent != 20 || got[2].Sent != 40 {
		t.Errorf("%v", got)
	}
}
