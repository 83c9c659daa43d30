package launcher

import (
	"testing"
	"time"
)

func TestTimer(t *testing.T) {
	for _, d := range []time.Duration{0, 20 * time.Millisecond, shortTimer} {
		began, rang := time.Now(), make(chan time.Duration, timerParts)
		after(d, func() { rang <- time.Since(began) })
		if took := <-rang; took < d {
			t.Errorf("%v: rang after %v", d, took)
		}
		if len(rang) > 0 {
			t.Errorf("%v: rang twice", d)
		}
	}
	stopped := after(20*time.Millisecond, func() { t.Error("a stopped timer rings") })
	stopped.stop()
	stopped.stop()
	late := make(chan bool)
	after(60*time.Millisecond, func() { close(late) })
	<-late
}
