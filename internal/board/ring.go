package board

import "sync/atomic"

// In a ring members lo to hi-1 work on as many parts of one accumulator: each
// begins with its own part, and takes over from the one before it the part that
// this one has done. Who is at which step stands in a word of its own; a member
// waits for nobody but the one before it.
//
// All members of the board are in rings of their own in the same turn, which
// EnterStage begins; the accumulators are stages.

// ringLines are the lines that rings need: everybody's steps, and who has joined.
func ringLines(members int) int { return members + 1 }

// step is how many steps a member has done, in all rings; joined counts those who
// have said Join. Both wrap.
func (b *Board) step(member int) *uint32 { return (*uint32)(b.at(b.ring + member*line)) }
func (b *Board) joined() *uint32         { return (*uint32)(b.at(b.ring + b.Members*line)) }

// Row is the stages of members lo to hi-1 in this turn, one after the other.
func (p *Party) Row(lo, hi int) []byte {
	from, to := p.stageAt(lo, p.turn), p.stageAt(hi, p.turn)
	return p.mem[from:to:to]
}

// A Ring is this member's part of one.
type Ring struct {
	p            *Party
	before, next int    // the members beside this one
	done         uint32 // steps of this member, in all rings
	left         int
}

// Ring takes this member, who has arrived in this turn, into the ring of members
// lo to hi-1.
func (p *Party) Ring(lo, hi int) Ring {
	size := hi - lo
	r := Ring{p: p, before: p.Me - 1, next: p.Me + 1, done: uint32(p.rings) * uint32(size), left: size}
	if p.Me == lo {
		r.before = hi - 1
	}
	if r.next == hi {
		r.next = lo
	}
	p.rings++
	return r
}

// Take waits until the member before this one has done as many steps of the ring
// as this one.
func (r *Ring) Take() error { return r.p.until(word(r.p.step(r.before), r.done)) }

// Pass says that this member has done a step.
func (r *Ring) Pass() {
	r.done++
	r.left--
	atomic.SwapUint32(r.p.step(r.p.Me), r.done)
	if r.left == 0 {
		r.p.wakeAll() // who waits in Whole
	} else {
		r.p.wake(r.next)
	}
}

// Whole waits until the ring of members lo to hi-1 has done all steps.
func (p *Party) Whole(lo, hi int) error {
	return p.until(Words{first: at32(p.step(lo)), stride: line, N: hi - lo, want: uint32(p.rings) * uint32(hi-lo)})
}

// Join says that this member has joined its part of all rings' results. Joined
// waits until everybody has.
func (p *Party) Join() {
	if atomic.AddUint32(p.joined(), 1) == p.joins() {
		p.wakeAll()
	}
}

func (p *Party) Joined() error { return p.until(word(p.joined(), p.joins())) }

// joins is the count of Join after a ring's turn; in each everybody joins.
func (p *Party) joins() uint32 { return uint32(p.rings) * uint32(p.Members) }
