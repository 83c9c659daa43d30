package trace

import "time"

// A Clock reads CLOCK_MONOTONIC, which all processes of a host share, at the
// price of Go's own monotonic clock: that is the same one, counted from the
// start of the process.
type Clock struct {
	base time.Time
	at   int64
}

// NewClock finds out how Go's clock and the host's lie to each other, to within
// the time between two looks at them.
func NewClock() Clock {
	var best Clock
	shortest := time.Duration(1 << 62)
	for range 5 {
		before := time.Now()
		at := monotonic()
		if took := time.Since(before); took < shortest {
			shortest, best = took, Clock{before.Add(took / 2), at}
		}
	}
	return best
}

// Now is in nanoseconds.
func (c Clock) Now() int64 { return c.at + int64(time.Since(c.base)) }

// At is what Now was at t.
func (c Clock) At(t time.Time) int64 { return c.at + int64(t.Sub(c.base)) }
