package engine

import (
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"gridrun/internal/board"
	"gridrun/internal/spin"
	"gridrun/internal/transport"
	"gridrun/internal/waittable"
)

// How a seat waits for others at its board, and they wake it.

// spins is how a seat looks before it sleeps.
type spins struct {
	looks  int           // without giving way
	yields int           // at least; see yieldFor
	time   time.Duration // at least
}

const (
	// boardLooks are looks at shared memory, a few ns each, where every member has
	// a processor; the way from one to the other and back is about 100 of them.
	boardLooks = 300
	// siblingLooks are those between two at which goroutines of the same processor
	// are let in.
	siblingLooks = 16
	// boardYields are the times that a waiter gives way where there are more
	// members than processors. Each may take as long as all others need to run once.
	boardYields = 20
	// boardLingers are looks, some 10 us, in which one of many on the way to a board, a
	// few us apart, should have arrived.
	boardLingers = 300
	// spreadEvery are the waits, of up to some ms, from one to the next in which a seat
	// helps to keep the ranks spread.
	spreadEvery = 4
	// passEvery are those in which it lets Go's scheduler see that its goroutine gives
	// way. It yields by system calls that the scheduler does not know of; to what has
	// run for 10 ms without a turn of the scheduler Go's monitor sends a signal, 30 us
	// each time.
	passEvery = 4 * spreadEvery
)

// Await implements board.Host.
func (s *seat) Await(w board.Words) error {
	s.words = w
	s.from.Store(0)
	for i := range s.patience.looks {
		if s.reached() {
			return nil
		}
		if s.siblings && i%siblingLooks == siblingLooks-1 {
			spin.Pass() // who is waited for may be next on this very processor
			continue
		}
		spin.Pause()
	}
	rk := s.comm.rank
	if s.waits++; s.waits%spreadEvery == 0 {
		rk.proc.spread()
		if s.waits%passEvery == 0 && !s.siblings {
			spin.Pass()
		}
	}
	var begin time.Time
	var since int64 // for the record; what comes after the yields await itself notes
	if rk.rec != nil {
		since = rk.rec.Now()
	}
	for i := 0; ; i++ {
		if s.siblings {
			runtime.Gosched()
		}
		if s.polled {
			spin.Yield()
		}
		if s.reached() {
			if rk.rec != nil {
				rk.waited(s, since)
			}
			return nil
		}
		if s.lingers && s.linger() {
			return nil
		}
		if s.group.dead.Load() {
			break
		}
		if i < s.patience.yields {
			continue
		}
		if begin.IsZero() {
			begin = time.Now()
		}
		if time.Since(begin) >= s.patience.time {
			break
		}
	}
	for {
		s.gone = rk.proc.goneN.Load()
		err := s.verdict()
		if s.reached() {
			return nil
		}
		if err != nil {
			return err
		}
		err = rk.await(s.call.ctx, s)
		s.disarm()
		if s.reached() {
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// linger waits without giving way for as long as others get on with what s waits for.
// It is for who has given way and finds its turn come again: then those that share its
// processor have had theirs, and wait, too, while others are late on another one. If
// all of them went on giving way in a circle, those that had just done so when the wait
// ends would be the last to run, and late for the next.
func (s *seat) linger() bool {
	at, ok := s.words.Count()
	if !ok {
		return false
	}
	for quiet := 0; quiet < boardLingers; quiet++ {
		spin.Pause()
		if s.reached() {
			return true
		}
		if now, _ := s.words.Count(); now != at {
			at, quiet = now, 0
		}
	}
	s.words.Stalled(at)
	return false
}

// verdict says why a wait cannot end well.
func (s *seat) verdict() error {
	rk := s.comm.rank
	if s.group.dead.Load() {
		rk.mu.Lock()
		defer rk.mu.Unlock()
		return s.group.revoked
	}
	if s.gone > 0 {
		for i, w := range s.comm.members {
			// Who has finished in good order has done its part, if it was here.
			if e := rk.proc.gone[w].Load(); e != nil && !(e.finished && s.party.Arrived(i)) {
				return rk.proc.lostError(int(w))
			}
		}
	}
	return s.call.told(s.party.Differs())
}

// reached advances over the words that have been reached.
func (s *seat) reached() bool {
	n := s.words.Reached(int(s.from.Load()))
	s.from.Store(int32(n))
	return n == s.words.N
}

// ready implements condition; siblings look, too.
func (s *seat) ready() bool {
	return s.group.dead.Load() || s.comm.rank.proc.goneN.Load() != s.gone || s.words.Reached(int(s.from.Load())) == s.words.N
}

// arm implements condition.
func (s *seat) arm(w *waiter) {
	if s.armed == nil {
		s.comm.rank.proc.sleeping.add(s)
		s.party.Asleep(s.party.Me, true)
	}
	s.comm.rank.proc.sleeping.set(s, w)
}

func (s *seat) disarm() {
	if s.armed != nil {
		s.comm.rank.proc.sleeping.remove(s)
		s.party.Asleep(s.party.Me, false)
	}
}

// wait implements condition.
func (s *seat) wait() waittable.Wait { return s.call.wait(-1) }

// Wake implements board.Host.
func (s *seat) Wake(member int) {
	p := s.comm.rank.proc
	if q := p.Topology.RankProc[s.comm.members[member]]; q != p.Proc {
		p.poller.Nudge(q)
	} else {
		p.sleeping.rouse(true)
	}
}

// A dormitory has the seats of a process whose goroutines sleep.
type dormitory struct {
	n     atomic.Int32
	mu    sync.Mutex
	seats map[*seat]struct{}
}

func (d *dormitory) add(s *seat) {
	d.n.Add(1)
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.seats == nil {
		d.seats = make(map[*seat]struct{})
	}
	d.seats[s] = struct{}{}
}

func (d *dormitory) set(s *seat, w *waiter) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s.armed = w
}

func (d *dormitory) remove(s *seat) {
	d.mu.Lock()
	defer d.mu.Unlock()
	s.armed = nil
	delete(d.seats, s)
	d.n.Add(-1)
}

// rouse wakes those that can go on. all: also who sleeps in the network's
// doorbell, which a network that is polled has woken by itself.
func (d *dormitory) rouse(all bool) {
	if d.n.Load() == 0 {
		return
	}
	d.mu.Lock()
	defer d.mu.Unlock()
	for s := range d.seats {
		if w := s.armed; w != nil && (all || !w.ringer.Load()) && s.ready() {
			w.wake()
		}
	}
}

// A rouser is a network that has its process's sleepers look when it has been
// polled: a nudge is all they get from other processes.
type rouser struct {
	transport.Poller
	sleeping *dormitory
}

func (r rouser) Poll() int {
	n := r.Poller.Poll()
	r.sleeping.rouse(false)
	return n
}
