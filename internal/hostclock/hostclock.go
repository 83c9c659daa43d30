// Package hostclock is the clock that all processes of a host share:
// CLOCK_MONOTONIC, which goes on evenly whatever becomes of the time of day. It
// costs as much as Go's own monotonic clock, which is the same one, counted from
// the start of the process: a [Clock] knows how far the two are apart.
package hostclock

import (
	"sync"
	"time"
)

// A Clock reads the host's clock.
type Clock struct {
	base time.Time
	at   int64
}

// New finds out how Go's clock and the host's lie to each other, to within
// the time between two looks at them.
func New() Clock {
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

// Shared is the Clock of this process, made when first asked for.
var Shared = sync.OnceValue(New)

// Now is in nanoseconds.
func (c Clock) Now() int64 { return c.at + int64(time.Since(c.base)) }

// At is what Now was at t, which time.Now has given.
func (c Clock) At(t time.Time) int64 { return c.at + int64(t.Sub(c.base)) }

// Time is the time at which Now was at: what time.Since tells of it does not
// depend on the time of day either.
func (c Clock) Time(at int64) time.Time { return c.base.Add(time.Duration(at - c.at)) }
