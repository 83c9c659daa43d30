package onhost

import (
	"gridrun/collectives/internal/algo"
	"gridrun/internal/board"
)

// A turn's data are in the posts when every rank has at most board.Inline bytes,
// else in the stages.

// enter begins a turn in which everybody brings n bytes.
func enter(p *board.Party, n int) error {
	if n <= board.Inline {
		return p.Enter()
	}
	return p.EnterStage()
}

// arrive shows x and arrives.
func arrive(p *board.Party, x []byte, meeting bool) (last bool, err error) {
	if len(x) <= board.Inline {
		return p.Arrive(x, meeting)
	}
	copy(p.Shown(p.Me), x)
	return p.Arrive(nil, meeting)
}

// shown is what a member has shown, n bytes.
func shown(p *board.Party, member, n int) []byte {
	if n <= board.Inline {
		return p.Posted(member)[:n]
	}
	return p.Shown(member)[:n]
}

// meet shows x and waits until everybody has.
func meet(p *board.Party, x []byte) error {
	if err := enter(p, len(x)); err != nil {
		return err
	}
	last, err := arrive(p, x, true)
	if err != nil {
		return err
	}
	if last {
		p.Release(nil)
		return nil
	}
	return p.Met()
}

// fold leaves in x the fold of what members 0 to upto-1 have shown, in order.
func fold(p *board.Party, x []byte, f algo.Fold, upto int) error {
	copy(x, shown(p, 0, len(x)))
	for m := 1; m < upto; m++ {
		if err := f.Into(x, shown(p, m, len(x))); err != nil {
			return err
		}
	}
	return nil
}
