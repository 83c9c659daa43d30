package transporttest

import (
	"sync"
	"sync/atomic"
	"testing"

	"gridrun/internal/transport"
)

// A Driver polls one Poller from goroutines of its own, by the rules of the
// engine: one poll token, a background poller that takes it when rung.
type Driver struct {
	p     transport.Poller
	token sync.Mutex
	stop  atomic.Bool
	wg    sync.WaitGroup
}

// Drive starts a Driver with the background poller only.
func Drive(p transport.Poller) *Driver {
	d := &Driver{p: p}
	d.wg.Go(func() {
		for !d.stop.Load() {
			p.Sleep(1, 0)
			if d.token.TryLock() {
				p.Watch(true)
				d.rest()
			}
		}
	})
	return d
}

// Hold adds a goroutine that takes the token, polls and sleeps with it rounds
// times, gives it up, and begins again.
func (d *Driver) Hold(rounds int) {
	d.wg.Go(func() {
		for !d.stop.Load() {
			d.token.Lock()
			d.p.Watch(true)
			for i := 0; i < rounds && !d.stop.Load(); i++ {
				if d.p.Poll() == 0 {
					d.p.Sleep(0, 0)
				}
			}
			d.rest()
		}
	})
}

// rest polls until nothing is there, and gives the token up.
func (d *Driver) rest() {
	for {
		for d.p.Poll() > 0 {
		}
		if !d.p.Watch(false) {
			break
		}
	}
	d.token.Unlock()
}

// Stop ends and joins the goroutines. One Wake must be enough.
func (d *Driver) Stop() {
	d.stop.Store(true)
	d.p.Wake()
	d.wg.Wait()
}

// A job is n connected processes under test.
type job struct {
	t       *testing.T
	rec     []*Recorder
	nets    []transport.Network
	drivers []*Driver
}

// newJob connects n processes; with drive, all Pollers are polled. It is closed
// when the test ends.
func newJob(t *testing.T, n int, connect Connect, prepare func(rec []*Recorder), drive bool) *job {
	t.Helper()
	j := &job{t: t, rec: make([]*Recorder, n), drivers: make([]*Driver, n)}
	sinks := make([]transport.Sink, n)
	for i := range j.rec {
		j.rec[i] = NewRecorder(t)
		sinks[i] = j.rec[i]
	}
	if prepare != nil {
		prepare(j.rec)
	}
	j.nets = connect(t, n, sinks)
	if len(j.nets) != n {
		t.Fatalf("connect returned %d networks for %d processes", len(j.nets), n)
	}
	t.Cleanup(j.close)
	if drive {
		for i := range n {
			j.drive(i)
		}
	}
	return j
}

func (j *job) drive(i int) {
	if p, ok := j.nets[i].(transport.Poller); ok && j.drivers[i] == nil {
		j.drivers[i] = Drive(p)
	}
}

// closeOne stops polling and closes process i.
func (j *job) closeOne(i int) {
	if j.rec[i].closed.Load() {
		return
	}
	if j.drivers[i] != nil {
		j.drivers[i].Stop()
	}
	if err := j.nets[i].Close(); err != nil {
		j.t.Errorf("process %d: Close: %v", i, err)
	}
	j.rec[i].closed.Store(true)
}

// close closes all processes at once.
func (j *job) close() {
	var wg sync.WaitGroup
	for i := range j.nets {
		wg.Go(func() { j.closeOne(i) })
	}
	wg.Wait()
}
