package board

import (
	"fmt"
	"math/bits"
	"runtime"
	"sync/atomic"
	"time"
	"unsafe"
)

// A Host waits and wakes for a member.
type Host interface {
	// Await returns when all words have been reached, or why that cannot be
	// waited for.
	Await(w Words) error
	// Wake rouses a member that has said it sleeps.
	Wake(member int)
}

// A Mismatch is two members that are not in the same call.
type Mismatch struct {
	Member int
	Head   Head // of that member
}

func (e *Mismatch) Error() string { return fmt.Sprintf("member %d is in another call", e.Member) }

// A Party is one member's part of a board. It is used by one goroutine at a time.
type Party struct {
	*Board
	Me   int
	host Host
	head Head

	turn  uint64 // this member is in
	known uint64 // a turn in which everybody has arrived
	piped uint64 // pieces that have gone through the pipe
	rings uint64 // turns with rings
}

// Join returns a member's part; all members join a fresh board.
func (b *Board) Join(me int, host Host) *Party { return &Party{Board: b, Me: me, host: host} }

// Begin says which call the coming turns belong to.
func (p *Party) Begin(h Head) { p.head = h }

// Turn is the number of the turn that this member is in.
func (p *Party) Turn() uint64 { return p.turn }

// Few tells whether members look at each other's posts.
func (p *Party) Few() bool { return p.Members <= few }

// enter begins the next turn, in which data of lag turns ago are overwritten.
func (p *Party) enter(lag uint64) error {
	t := p.turn + 1
	if t > lag && p.known < t-lag+1 {
		if err := p.all(t - lag + 1); err != nil {
			return err
		}
	}
	p.turn = t
	return nil
}

// Enter begins a turn with nothing but posts.
func (p *Party) Enter() error { return p.enter(rounds) }

// EnterStage begins a turn in which stages or the result are written.
func (p *Party) EnterStage() error { return p.enter(2) }

// all waits until everybody has arrived in a turn, at most rounds ago.
func (p *Party) all(turn uint64) error {
	var w Words
	if p.Few() {
		w = Words{first: unsafe.Pointer(&p.post(0, turn).turn), stride: rounds * line, N: p.Members, want: uint32(turn)}
	} else {
		w = p.round(turn).arrivals(&p.round(turn).arrived, p.quorum(turn))
	}
	if err := p.until(w); err != nil {
		return err
	}
	p.known = turn
	return nil
}

// quorum is the round's count when everybody has arrived in a turn: turns begin
// with 1.
func (p *Party) quorum(turn uint64) uint32 {
	n := turn / rounds
	if turn%rounds != 0 {
		n++
	}
	return uint32(uint64(p.Members) * n)
}

// Arrive shows the member's call and at most Inline bytes. last: it is the last
// of many to arrive, and in a meeting must release the others. The members of a
// meeting of few see each other's calls; in all other turns the call is compared here.
func (p *Party) Arrive(data []byte, meeting bool) (last bool, err error) {
	po := p.post(p.Me, p.turn)
	copy(po.data[:], data)
	atomic.StoreUint64((*uint64)(&po.head), uint64(p.head))
	atomic.SwapUint32(&po.turn, uint32(p.turn))
	if p.Few() {
		if p.anyAsleep() {
			p.wakeAll()
		}
		if meeting {
			return false, nil
		}
		return false, p.compare()
	}
	if err := p.compare(); err != nil {
		return false, err
	}
	last = atomic.AddUint32(&p.round(p.turn).arrived, 1) == p.quorum(p.turn)
	if last && !meeting {
		p.wakeAll()
	}
	return last, nil
}

// Agree compares the call before this member arrives: for a turn in which it
// writes where others do if they are in another call.
func (p *Party) Agree() error {
	atomic.StoreUint64((*uint64)(&p.post(p.Me, p.turn).head), uint64(p.head))
	return p.compare()
}

// compare checks the call against that of the first to arrive.
func (p *Party) compare() error {
	r := p.round(p.turn)
	mine := uint64(uint32(p.turn))<<32 | uint64(p.head.hash())
	for {
		now := atomic.LoadUint64(&r.head)
		switch {
		case now == mine:
			return nil
		case now>>32 == mine>>32:
			if err := p.Differs(); err != nil {
				return err
			}
			return p.ahead(uint32(now))
		case atomic.CompareAndSwapUint64(&r.head, now, mine):
			return nil
		}
	}
}

// ahead is the Mismatch with a member that has shown its call in Agree, of which hash
// is left, and has not arrived.
func (p *Party) ahead(hash uint32) error {
	for m := range p.Members {
		if h := Head(atomic.LoadUint64((*uint64)(&p.post(m, p.turn).head))); m != p.Me && h != p.head && h.hash() == hash {
			return &Mismatch{m, h}
		}
	}
	return &Mismatch{p.Me, p.head} // a post that has been written over: nonsense
}

// Differs returns a *Mismatch if a member that has arrived in this member's last
// turn was there in another call.
func (p *Party) Differs() error {
	if p.turn == 0 {
		return nil
	}
	mine := p.post(p.Me, p.turn).head // of the call before while this one is being entered
	for m := range p.Members {
		po := p.post(m, p.turn)
		if atomic.LoadUint32(&po.turn) != uint32(p.turn) {
			continue
		}
		if h := Head(atomic.LoadUint64((*uint64)(&po.head))); h != mine {
			return &Mismatch{m, h}
		}
	}
	return nil
}

// Arrived tells whether a member has arrived in this turn.
func (p *Party) Arrived(member int) bool {
	return int32(atomic.LoadUint32(&p.post(member, p.turn).turn)-uint32(p.turn)) >= 0
}

// Meet arrives and waits until everybody has.
func (p *Party) Meet(data []byte) error {
	last, err := p.Arrive(data, true)
	if err != nil {
		return err
	}
	if last {
		p.Release(nil)
		return nil
	}
	return p.Met()
}

// Met waits until everybody has arrived, and has been released if there are many.
func (p *Party) Met() error {
	if !p.Few() {
		if err := p.until(p.round(p.turn).arrivals(&p.round(p.turn).released, uint32(p.turn))); err != nil {
			return err
		}
		p.known = p.turn
		return nil
	}
	if err := p.all(p.turn); err != nil {
		return err
	}
	for m := range p.Members {
		if h := p.post(m, p.turn).head; h != p.head {
			return &Mismatch{m, h}
		}
	}
	return nil
}

// Release lets go the others, who wait in Met: for the last of many to arrive.
func (p *Party) Release(result []byte) {
	r := p.round(p.turn)
	copy(r.result[:], result)
	atomic.SwapUint32(&r.released, uint32(p.turn))
	p.known = p.turn
	p.wakeAll()
}

// Released is what came with the release.
func (p *Party) Released() []byte { return p.round(p.turn).result[:] }

// Posted is what a member has shown in this turn.
func (p *Party) Posted(member int) []byte { return p.post(member, p.turn).data[:] }

// From waits for a member's post.
func (p *Party) From(member int) error {
	return p.until(word(&p.post(member, p.turn).turn, uint32(p.turn)))
}

// until waits for words, unless they have been reached.
func (p *Party) until(w Words) error {
	if w.Reached(0) == w.N {
		return nil
	}
	return p.host.Await(w)
}

// Everybody waits until all have arrived, without a release: only this member
// waits.
func (p *Party) Everybody() error { return p.all(p.turn) }

// Told rouses those who wait in From for this member's post.
func (p *Party) Told() {
	if !p.Few() { // Arrive has
		p.wakeAll()
	}
}

// Shown is the stage of a member in this turn, Common the result's buffer.
func (p *Party) Shown(member int) []byte { return p.StageOf(member, p.turn) }
func (p *Party) Common() []byte          { return p.Result(p.turn) }

// Lend lets the others, goroutines of this process, read b from this turn's meeting
// on, until TakeBack. It is for turns that EnterStage begins. Lent is what a member
// lends in a turn.
func (p *Party) Lend(b []byte)                       { p.lent[2*p.Me+int(p.turn%2)] = b }
func (p *Party) Lent(member int, turn uint64) []byte { return p.lent[2*member+int(turn%2)] }

// TakeBack ends what was lent in a turn, after everybody has read it.
func (p *Party) TakeBack(turn uint64) { p.lent[2*p.Me+int(turn%2)] = nil }

// Touch begins the use of what others lend; between it and Touched this member must
// not wait for others. When a member has withdrawn what it lent, its call has failed:
// Touch then waits until the Host says why.
func (p *Party) Touch() error {
	p.touching.Add(1)
	if !p.withdrawn.Load() {
		return nil
	}
	p.touching.Add(-1)
	return p.host.Await(word(&p.never, 1))
}

func (p *Party) Touched() { p.touching.Add(-1) }

// Withdraw takes back what this member has lent in a call that has failed, for ever:
// when it returns nobody uses that any more.
func (p *Party) Withdraw() {
	p.withdrawn.Store(true)
	for i := 0; p.touching.Load() != 0; i++ {
		if runtime.Gosched(); i > 1000 {
			time.Sleep(100 * time.Microsecond) // a fold of the user's may take its time
		}
	}
}

func (p *Party) wakeAll() {
	if !p.anyAsleep() {
		return
	}
	for i := range p.bits() {
		for w := atomic.LoadUint64(&p.bits()[i]); w != 0; w &= w - 1 {
			if m := 64*i + bits.TrailingZeros64(w); m != p.Me && m < p.Members {
				p.host.Wake(m)
			}
		}
	}
}

// wake rouses one member if it sleeps.
func (p *Party) wake(m int) {
	if p.anyAsleep() && atomic.LoadUint64(&p.bits()[m/64])&(1<<(m%64)) != 0 {
		p.host.Wake(m)
	}
}
