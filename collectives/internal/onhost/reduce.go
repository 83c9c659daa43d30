package onhost

import (
	"gridrun/collectives/internal/algo"
	"gridrun/internal/board"
)

const (
	// alone is how many bytes, of all ranks together, one rank folds for all
	// rather than everybody a slice, which costs another meeting.
	alone = 64 << 10
	// aloneFew is how many bytes of each rank everybody folds where there are few.
	aloneFew = 4 << 10
	// inCache is the most that all ranks write at a time: it should stay in the
	// cache until it is folded.
	inCache = 16 << 20
)

// small tells whether one rank folds n bytes of every rank.
func small(p *board.Party, n int) bool {
	switch {
	case n <= board.Inline:
		return true
	case p.Few():
		return n <= min(aloneFew, p.Stage)
	}
	return n <= p.Stage && n*p.Members <= alone
}

// AllReduce leaves the fold of all x in everybody's.
func AllReduce(p *board.Party, x []byte, f algo.Fold, ordered bool) error {
	if !ordered && lends(p, len(x)) {
		return lentAllReduce(p, x, f)
	}
	n := len(x)
	if !small(p, n) {
		return long(p, -1, x, f, ordered)
	}
	if err := enter(p, n); err != nil {
		return err
	}
	last, err := arrive(p, x, true)
	switch {
	case err != nil:
		return err
	case last:
		if err := fold(p, x, f, p.Members); err != nil {
			return err
		}
		if n <= board.Inline {
			p.Release(x)
			return nil
		}
		copy(p.Common(), x)
		p.Release(nil)
		return nil
	}
	if err := p.Met(); err != nil {
		return err
	}
	switch {
	case p.Few():
		return fold(p, x, f, p.Members)
	case n <= board.Inline:
		copy(x, p.Released())
	default:
		copy(x, p.Common())
	}
	return nil
}

// Reduce leaves the fold of all x in root's.
func Reduce(p *board.Party, root int, x []byte, f algo.Fold, ordered bool) error {
	if !ordered && lends(p, len(x)) {
		return lentReduce(p, root, x, f)
	}
	if !small(p, len(x)) {
		return long(p, root, x, f, ordered)
	}
	if err := enter(p, len(x)); err != nil {
		return err
	}
	if _, err := arrive(p, x, false); err != nil || p.Me != root {
		return err
	}
	if err := p.Everybody(); err != nil {
		return err
	}
	return fold(p, x, f, p.Members)
}

// long reduces more than one rank folds for all.
func long(p *board.Party, root int, x []byte, f algo.Fold, ordered bool) error {
	if !ordered {
		if done, err := unordered(p, inPlace(p, root, x), x, f); done {
			return err
		}
	}
	return slices(p, x, f, ordered, root)
}

// unordered folds by rings or a tree, where one of them is better than slices.
func unordered(p *board.Party, to target, x []byte, f algo.Fold) (done bool, err error) {
	if r := ringsOf(p); r.pay(len(x)) {
		return true, r.around(to, x, f)
	}
	if climbs(p) {
		return true, tree(p, to, x, f)
	}
	return false, nil
}

// slicePiece is how much of each rank is in the stages at a time, when folded by
// slices.
func slicePiece(p *board.Party) int { return min(p.Stage, inCache/p.Members) }

// grain is a cache line, or an element where that is no part of one.
func grain(elem int) int {
	if elem = max(elem, 1); 64%elem == 0 {
		return 64
	}
	return elem
}

// cut is part k of m of n bytes of whole elements, at borders of cache lines where
// that can be: two ranks then write no common one.
func cut(n, elem, k, m int) (lo, hi int) {
	unit := grain(elem)
	units := (n + unit - 1) / unit
	return min(units*k/m*unit, n), min(units*(k+1)/m*unit, n)
}

// slices folds a piece of x after the other, every rank a slice of it, and leaves
// the result in root's x, or in everybody's for root -1. While the slices of one
// piece are folded, the next is written: one meeting a piece, and one more.
func slices(p *board.Party, x []byte, f algo.Fold, ordered bool, root int) error {
	unit := grain(f.Elem)
	size := slicePiece(p) / unit * unit
	size = max(size, p.Stage/p.Members/unit*unit, unit)
	all := root < 0
	share := func(n int) (lo, hi int) { return cut(n, f.Elem, p.Me, p.Members) }
	write := func(piece []byte) {
		lo, hi := share(len(piece))
		stage := p.Shown(p.Me)
		copy(stage, piece[:lo]) // nobody else needs the part in between
		copy(stage[hi:], piece[hi:])
	}
	piece := x[:min(size, len(x))]
	if err := p.EnterStage(); err != nil {
		return err
	}
	write(piece)
	if err := p.Meet(nil); err != nil {
		return err
	}
	for at := 0; ; {
		lo, hi := share(len(piece))
		result := p.Common()[:len(piece)]
		if err := foldShare(p, piece, result, lo, hi, f, ordered, all); err != nil {
			return err
		}
		at += len(piece)
		next := x[at:min(at+size, len(x))]
		if err := p.EnterStage(); err != nil {
			return err
		}
		write(next)
		if err := gathered(p, root, len(next) == 0); err != nil {
			return err
		}
		switch {
		case all && !ordered: // the rank's own share is in place
			copy(piece, result[:lo])
			copy(piece[hi:], result[hi:])
		case all || p.Me == root:
			copy(piece, result)
		}
		if len(next) == 0 {
			return nil
		}
		piece = next
	}
}

// gathered is the meeting after a piece has been folded. After the last one only
// the root of a reduction needs to wait.
func gathered(p *board.Party, root int, last bool) error {
	if root < 0 || !last {
		return p.Meet(nil)
	}
	if _, err := p.Arrive(nil, false); err != nil || p.Me != root {
		return err
	}
	return p.Everybody()
}

// foldShare folds bytes lo to hi of a piece of everybody's x into result, and into
// piece itself if that is to hold the result and order does not matter.
func foldShare(p *board.Party, piece, result []byte, lo, hi int, f algo.Fold, ordered, all bool) error {
	if lo == hi {
		return nil
	}
	part := func(m int) []byte {
		if m == p.Me {
			return piece[lo:hi]
		}
		return p.Shown(m)[lo:hi]
	}
	first, dst := p.Me, result[lo:hi]
	if ordered {
		first = 0
	}
	inPlace := all && !ordered
	if inPlace {
		dst = piece[lo:hi]
	} else {
		copy(dst, part(first))
	}
	for m := range p.Members {
		if m == first {
			continue
		}
		if err := f.Into(dst, part(m)); err != nil {
			return err
		}
	}
	if inPlace {
		copy(result[lo:hi], dst)
	}
	return nil
}

// ReduceScatter leaves this rank's block of the fold of all x in part.
func ReduceScatter(p *board.Party, x, part []byte, f algo.Fold, ordered bool) error {
	if !ordered && lends(p, len(x)) {
		return lentReduceScatter(p, x, part, f)
	}
	if !ordered && len(x) > 0 {
		if done, err := unordered(p, block(p, part), x, f); done {
			return err
		}
	}
	n, elem := len(part), max(f.Elem, 1)
	size := min(n, p.Stage/p.Members/elem*elem)
	for lo := 0; ; lo += size {
		hi := min(lo+size, n)
		if err := p.EnterStage(); err != nil {
			return err
		}
		stage := p.Shown(p.Me)
		for m := range p.Members {
			if m != p.Me {
				copy(stage[m*size:], x[m*n+lo:m*n+hi])
			}
		}
		if err := p.Meet(nil); err != nil {
			return err
		}
		brought := func(m int) []byte {
			if m == p.Me {
				return x[m*n+lo : m*n+hi]
			}
			return p.Shown(m)[p.Me*size:][:hi-lo]
		}
		first := p.Me
		if ordered {
			first = 0
		}
		copy(part[lo:hi], brought(first))
		for m := range p.Members {
			if m == first {
				continue
			}
			if err := f.Into(part[lo:hi], brought(m)); err != nil {
				return err
			}
		}
		if hi == n {
			return nil
		}
	}
}

// Scan leaves in x the fold of ranks 0 to this one, or without this one if ex,
// in rank order.
func Scan(p *board.Party, x []byte, f algo.Fold, ex bool) error {
	elem := max(f.Elem, 1)
	size := p.Stage / elem * elem
	upto := p.Me + 1
	if ex {
		upto--
	}
	for lo := 0; ; lo += size {
		piece := x[lo:min(lo+size, len(x))]
		if err := meet(p, piece); err != nil {
			return err
		}
		if upto > 0 {
			if err := fold(p, piece, f, upto); err != nil {
				return err
			}
		}
		if lo+len(piece) == len(x) {
			return nil
		}
	}
}
