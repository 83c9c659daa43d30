package hostclock

import (
	"testing"
	"time"
)

// Two Clocks, as of two processes, agree on what time it was, to well below what
// anybody is told.
func TestClock(t *testing.T) {
	one, two := New(), New()
	before := monotonic()
	moment := time.Now()
	after := monotonic()
	at := one.At(moment)
	if at < before-int64(time.Millisecond) || at > after+int64(time.Millisecond) {
		t.Errorf("%d is not between %d and %d", at, before, after)
	}
	if got := one.Time(at); got.Sub(moment) != 0 {
		t.Errorf("%v, want %v", got, moment)
	}
	if d := two.Time(at).Sub(moment).Abs(); d > time.Millisecond {
		t.Errorf("the clocks are %v apart", d)
	}
	if now := one.Now(); now < after-int64(time.Millisecond) {
		t.Errorf("now is %d, before %d", now, after)
	}
	if first, again := Shared(), Shared(); first != again {
		t.Error("the shared clock changes")
	}
}
