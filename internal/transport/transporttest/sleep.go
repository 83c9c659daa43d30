package transporttest

import (
	"fmt"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gridrun/internal/spin"
	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// testSleepPingPong bounces frames between two Pollers that sleep whenever
// nothing is there, in every mixture of token holders and background poller.
// A lost wake-up hangs, and Until says so.
func testSleepPingPong(t *testing.T, connect Connect) {
	for _, rounds := range []int{0, 1, 3, 1000} {
		t.Run(fmt.Sprintf("hold%d", rounds), func(t *testing.T) {
			const n, balls = 2000, 3
			var nets []transport.Network
			j := newJob(t, 2, connect, func(rec []*Recorder) {
				for i := range rec {
					rec[i].Hook = func(e Event) {
						if e.Tag < n {
							f := frame(wire.RTS, i, 1-i, int(e.Seq), nil)
							f.Tag = e.Tag + 1
							nets[i].Link(1 - i).Post(f)
						}
					}
				}
			}, false)
			nets = j.nets
			for i := range nets {
				j.drive(i)
				if j.drivers[i] != nil && rounds > 0 {
					j.drivers[i].Hold(rounds)
				}
			}
			for ball := range balls {
				nets[0].Link(1).Post(frame(wire.RTS, 0, 1, ball, nil))
			}
			j.rec[1].UntilArrived(balls * (n/2 + 1))
			j.rec[0].UntilArrived(balls * n / 2)
		})
	}
}

// testSleepWake has goroutines change a condition and Wake, while both sleepers
// look at it and Sleep.
func testSleepWake(t *testing.T, connect Connect) {
	j := newJob(t, 2, connect, nil, false)
	p, ok := j.nets[0].(transport.Poller)
	if !ok {
		return // only Pollers sleep
	}
	const n = 5000
	var wanted atomic.Int64
	var seen [2]atomic.Int64
	var wg sync.WaitGroup
	turn := make(chan struct{}, 1)
	hourly := spin.NewPulse(new(uint64), new(uint64), time.Hour)
	for which := range 2 {
		wg.Go(func() {
			for seen[which].Load() < n {
				if w := wanted.Load(); w > seen[which].Load() {
					seen[which].Store(w)
					select {
					case turn <- struct{}{}:
					default:
					}
					continue
				}
				if which == 1 && seen[which].Load()%2 == 1 {
					p.Doze(hourly)
				} else {
					p.Sleep(which, 0)
				}
			}
		})
	}
	hang := time.NewTimer(deadline)
	defer hang.Stop()
	for i := int64(1); i <= n; i++ {
		wanted.Store(i)
		p.Wake()
		for seen[0].Load() < i || seen[1].Load() < i {
			select {
			case <-turn:
			case <-hang.C:
				t.Fatalf("Wake %d was lost: the sleepers have seen %d and %d\n%s", i, seen[0].Load(), seen[1].Load(), stacks())
			}
		}
	}
	wg.Wait()
}

// testSleepTimeout sleeps with a timeout and nothing to come.
func testSleepTimeout(t *testing.T, connect Connect) {
	j := newJob(t, 2, connect, nil, false)
	p, ok := j.nets[0].(transport.Poller)
	if !ok {
		return // only Pollers sleep
	}
	for which := range 2 {
		end := time.Now().Add(5 * time.Millisecond)
		for left := time.Until(end); left > 0; left = time.Until(end) {
			p.Sleep(which, int64(left)) // may return early, must return
		}
	}
	p.Doze(spin.NewPulse(new(uint64), new(uint64), time.Millisecond)) // must return
}
