package onhost

import (
	"gridrun/collectives/internal/algo"
	"gridrun/internal/board"
)

// Long reductions of many ranks go round in rings. The ranks of a ring share one
// accumulator, which has a part for each of them. Rank k of the ring writes its
// part k there; rank k+1 folds its own part k into it, then rank k+2, and so on:
// at any time every rank has a part that is its turn. So data are read from where
// the user has them and folded at once, and nobody copies what he brings.
//
// Each rank needs to run a few times, more with longer rings; so many ranks are in
// several, and everybody folds its share of their accumulators in the end.

const (
	// oneRing is the most ranks that are in one ring, perRing in each of several.
	oneRing, perRing = 16, 12
	// leastPart is the least that is worth a turn of the scheduler.
	leastPart = 32 << 10
)

// rings is how the members of a board are divided into them.
type rings struct {
	p      *board.Party
	n      int // of them
	mine   int // this member's
	lo, hi int // members of that
}

func ringsOf(p *board.Party) rings {
	r := rings{p: p, n: 1}
	if p.Members > oneRing {
		r.n = (p.Members + perRing - 1) / perRing
	}
	for r.lo, r.hi = r.members(0); p.Me >= r.hi; {
		r.mine++
		r.lo, r.hi = r.members(r.mine)
	}
	return r
}

// pay tells whether rings are better than slices for n bytes of each rank: their
// steps are long, or fewer than the meetings for slices.
func (r rings) pay(n int) bool {
	return !r.p.Few() && n >= min(leastPart, slicePiece(r.p))*(r.p.Members/r.n)
}

// members are those of ring k, from lo to hi-1.
func (r rings) members(k int) (lo, hi int) {
	return r.p.Members * k / r.n, r.p.Members * (k + 1) / r.n
}

// accumulator is that of ring k in this turn; the first will have the result.
func (r rings) accumulator(k int) []byte { return r.p.Row(r.members(k)) }

// around folds all x to where it is wanted.
func (r rings) around(to target, x []byte, f algo.Fold) error {
	elem := max(f.Elem, 1)
	size := r.p.Members / r.n * r.p.Stage / elem * elem // all rings have as many members, or one more
	for at := 0; at < len(x); at += size {
		if err := r.reduce(to, at, x[at:min(at+size, len(x))], f); err != nil {
			return err
		}
	}
	return nil
}

// reduce is around for a piece, which begins at byte at, that fits into an accumulator:
// one turn.
func (r rings) reduce(to target, at int, piece []byte, f algo.Fold) error {
	p := r.p
	if err := p.EnterStage(); err != nil {
		return err
	}
	if _, err := p.Arrive(nil, false); err != nil {
		return err
	}
	if err := r.turn(piece, f); err != nil {
		return err
	}
	if r.n > 1 {
		if err := r.join(len(piece), f); err != nil {
			return err
		}
	}
	if !to.mine(p) {
		return nil
	}
	var err error
	if r.n > 1 {
		err = p.Joined()
	} else {
		err = p.Whole(r.lo, r.hi)
	}
	if err != nil {
		return err
	}
	to.take(at, r.accumulator(0)[:len(piece)])
	return nil
}

// turn folds piece into the ring's accumulator, part after part.
func (r rings) turn(piece []byte, f algo.Fold) error {
	acc, ring := r.accumulator(r.mine), r.p.Ring(r.lo, r.hi)
	m := r.hi - r.lo
	for i := range m {
		lo, hi := cut(len(piece), f.Elem, (r.p.Me-r.lo-i+m)%m, m)
		if i == 0 {
			copy(acc[lo:hi], piece[lo:hi])
		} else {
			if err := ring.Take(); err != nil {
				return err
			}
			if err := f.Into(acc[lo:hi], piece[lo:hi]); err != nil {
				return err
			}
		}
		ring.Pass()
	}
	return nil
}

// join folds this member's share of all accumulators into the first.
func (r rings) join(n int, f algo.Fold) error {
	lo, hi := cut(n, f.Elem, r.p.Me, r.p.Members)
	for k := range r.n {
		if err := r.p.Whole(r.members(k)); err != nil {
			return err
		}
		if k == 0 || lo == hi {
			continue
		}
		if err := f.Into(r.accumulator(0)[lo:hi], r.accumulator(k)[lo:hi]); err != nil {
			return err
		}
	}
	r.p.Join()
	return nil
}
