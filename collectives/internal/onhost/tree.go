package onhost

import (
	"gridrun/collectives/internal/algo"
	"gridrun/internal/board"
)

// Where ranks share processors, reductions that are too long for one rank to fold and
// too short for rings go up a tree. Two members, then two rows of them, meet at each of
// its nodes: the first to come leaves there what it has, in a stage; the second folds
// both and goes on with the result. So nobody waits on the way: a rank runs once, and
// once more for the result. It copies what it brings only if it comes first.
//
// Who comes when decides who folds, not what: the order of operands is the tree's. This
// is the combining tree of Yew, Tzeng and Lawrie (1987), with long data.

// climbs tells whether a tree is better than slices: where everybody has a processor,
// slices keep all of them busy to the end.
func climbs(p *board.Party) bool { return p.Members > p.CPUs }

// tree folds all x to where it is wanted, a turn for each piece of a stage.
func tree(p *board.Party, to target, x []byte, f algo.Fold) error {
	elem := max(f.Elem, 1)
	size := p.Stage / elem * elem
	for at := 0; at < len(x); at += size {
		piece := x[at:min(at+size, len(x))]
		if err := p.EnterStage(); err != nil {
			return err
		}
		if err := p.Agree(); err != nil {
			return err
		}
		if err := climb(p, piece, f, to.over); err != nil {
			return err
		}
		if err := climbed(p, to.root); err != nil {
			return err
		}
		if to.mine(p) {
			to.take(at, p.Shown(0)[:len(piece)])
		}
	}
	return nil
}

// climbed is the meeting after everybody has climbed. Only those wait who get the result.
func climbed(p *board.Party, root int) error {
	if root < 0 {
		return p.Meet(nil)
	}
	if _, err := p.Arrive(nil, false); err != nil || p.Me != root {
		return err
	}
	return p.Everybody()
}

// climb takes x up the tree as far as the other sides have come; over says that it may
// be changed. What is left at a node is in the stage of its side's first member, the
// result in member 0's.
func climb(p *board.Party, x []byte, f algo.Fold, over bool) error {
	first, own := p.Me, true // of this side; the value is in x, not yet in first's stage
	stage := func(m int) []byte { return p.Shown(m)[:len(x)] }
	show := func() {
		if own {
			copy(stage(first), x)
			own = false
		}
	}
	for row := 1; row < p.Members; row *= 2 {
		left, right := first&^row, first|row
		if right >= p.Members {
			continue // there is no other side
		}
		if !p.Awaited(right) {
			show()
		}
		if !p.Come(right) {
			return nil
		}
		into, from := stage(left), stage(right)
		switch {
		case own && first == right:
			from, own = x, false
		case own && over:
			into = x
		default:
			show()
		}
		if err := f.Into(into, from); err != nil {
			return err
		}
		first = left
	}
	show()
	return nil
}
