package timeline

import (
	"cmp"
	"slices"
)

// A Sample is one look at another host's clock: asked at Sent, answered with
// Here, the answer back at Back. Nanoseconds; Sent and Back by our clock.
type Sample struct{ Sent, Here, Back int64 }

func (s Sample) trip() int64 { return s.Back - s.Sent }

// offset is our time minus the host's, if the answer was made half way. It is
// wrong by at most half the round trip.
func (s Sample) offset() int64 { return s.Sent + s.trip()/2 - s.Here }

// A Line leads from a host's time to ours. The zero Line is for a host that
// shares our clock.
type Line struct {
	At     int64   // host's time
	Offset int64   // there: our time minus the host's
	Slope  float64 // how fast that changes
	Error  int64   // it is right to within so much
}

// Map returns our time for a host's.
func (l Line) Map(t int64) int64 { return t + l.Offset + int64(l.Slope*float64(t-l.At)) }

const (
	// maxDrift is more than two clocks of computers differ in rate.
	maxDrift = 500e-6
	// minSpan is the time over which a difference in rate shows above the noise.
	minSpan = 2e9
)

// Fit estimates a host's clock from the quickest round trips, which the network
// has delayed least (Cristian 1989; NTP's clock filter, RFC 5905 section 10). The
// quickest of the first and of the last quarter of the time give the rate, if they
// are far enough apart; else the quickest of all counts alone. ok is false
// without a sample.
func Fit(samples []Sample) (l Line, ok bool) {
	samples = slices.DeleteFunc(slices.Clone(samples), func(s Sample) bool { return s.trip() < 0 })
	if len(samples) == 0 {
		return Line{}, false
	}
	quickest := func(from, to int64) (best Sample, found bool) {
		for _, s := range samples {
			if s.Sent >= from && s.Sent <= to && (!found || s.trip() < best.trip()) {
				best, found = s, true
			}
		}
		return best, found
	}
	byTime := func(a, b Sample) int { return cmp.Compare(a.Sent, b.Sent) }
	first, last := slices.MinFunc(samples, byTime).Sent, slices.MaxFunc(samples, byTime).Sent
	best, _ := quickest(first, last)
	l = Line{At: best.Here, Offset: best.offset(), Error: best.trip() / 2}
	quarter := (last - first) / 4
	a, _ := quickest(first, first+quarter)
	b, _ := quickest(last-quarter, last)
	if last-first < minSpan || b.Here <= a.Here {
		return l, true
	}
	slope := float64(b.offset()-a.offset()) / float64(b.Here-a.Here)
	if slope > maxDrift || slope < -maxDrift {
		return l, true
	}
	return Line{At: a.Here, Offset: a.offset(), Slope: slope, Error: max(a.trip(), b.trip()) / 2}, true
}

// Thin halves samples: of each two neighbours the quicker stays.
func Thin(samples []Sample) []Sample {
	out := samples[:0]
	for i := 0; i < len(samples); i += 2 {
		s := samples[i]
		if i+1 < len(samples) && samples[i+1].trip() < s.trip() {
			s = samples[i+1]
		}
		out = append(out, s)
	}
	return out
}
