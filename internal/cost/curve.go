package cost

import (
	"fmt"
	"math/bits"
)

// A Time is in picoseconds. Sums and products of times do not go beyond Forever.
type Time int64

// Forever is more than anything takes: about two weeks.
const Forever Time = 1 << 60

const (
	Nanosecond  Time = 1000
	Microsecond      = 1000 * Nanosecond
)

func (t Time) String() string {
	switch us := float64(t) / float64(Microsecond); {
	case us >= 10000:
		return fmt.Sprintf("%.1f ms", us/1000)
	case us >= 10:
		return fmt.Sprintf("%.1f us", us)
	default:
		return fmt.Sprintf("%.3f us", us)
	}
}

// plus adds up.
func plus(times ...Time) (sum Time) {
	for _, t := range times {
		sum = min(sum+t, Forever)
	}
	return sum
}

// times is t k times.
func (t Time) times(k int) Time {
	hi, lo := bits.Mul64(uint64(t), uint64(max(k, 0)))
	if hi != 0 || lo > uint64(Forever) {
		return Forever
	}
	return Time(lo)
}

// A Point is how long so many bytes take.
type Point struct {
	Bytes int
	Time  Time
}

// A Curve is time over bytes: points with ascending bytes and times, straight lines
// between them, the first one's time before it and the last line's slope after it.
type Curve []Point

// At is the time of n bytes.
func (c Curve) At(n int) Time {
	switch {
	case len(c) == 0:
		return 0
	case n <= c[0].Bytes || len(c) == 1:
		return c[0].Time
	}
	i := 1
	for i < len(c)-1 && n > c[i].Bytes {
		i++
	}
	a, b := c[i-1], c[i]
	hi, lo := bits.Mul64(uint64(n-a.Bytes), uint64(b.Time-a.Time))
	per := uint64(b.Bytes - a.Bytes)
	if hi >= per {
		return Forever
	}
	q, _ := bits.Div64(hi, lo, per)
	if q > uint64(Forever) {
		return Forever
	}
	return plus(a.Time, Time(q))
}
