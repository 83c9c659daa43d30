package onhost

import (
	"fmt"

	"gridrun/collectives/internal/algo"
	"gridrun/internal/board"
	"gridrun/internal/stream"
)

// Ranks that are goroutines of one process lend each other their buffers instead
// of copying what is longer than a stage: a rank reads where the others' data are,
// and nobody returns before all have read.

// lends tells whether members lend each other n bytes.
func lends(p *board.Party, n int) bool { return p.Own && n > p.Stage }

// lend begins a turn in which everybody lends x and may read what the others lend,
// until it says returned. The turn is for Lent.
func lend(p *board.Party, x []byte) (turn uint64, err error) {
	if err := p.EnterStage(); err != nil {
		return 0, err
	}
	turn = p.Turn()
	p.Lend(x)
	if err := p.Meet(nil); err != nil {
		return 0, err
	}
	for m := range p.Members {
		if len(p.Lent(m, turn)) != len(x) {
			return 0, fmt.Errorf("member %d lends %d bytes, member %d %d", m, len(p.Lent(m, turn)), p.Me, len(x))
		}
	}
	return turn, nil
}

// returned waits until everybody has read.
func returned(p *board.Party, turn uint64) error {
	if err := meet(p, nil); err != nil {
		return err
	}
	p.TakeBack(turn)
	return nil
}

// touch runs do, which uses what others lend.
func touch(p *board.Party, do func() error) error {
	if err := p.Touch(); err != nil {
		return err
	}
	defer p.Touched()
	return do()
}

// lent is the end of a call in which this member has lent something. When that has
// failed the others may not have noticed yet, and the caller is to have its memory back.
func lent(p *board.Party, err error) error {
	if err != nil {
		p.Withdraw()
	}
	return err
}

// lentBcast: the root waits until the others have copied.
func lentBcast(p *board.Party, root int, x []byte) error {
	return lent(p, bcastLent(p, root, x))
}

func bcastLent(p *board.Party, root int, x []byte) error {
	if p.Me != root {
		if err := p.Enter(); err != nil {
			return err
		}
	} else {
		if err := p.EnterStage(); err != nil {
			return err
		}
		p.Lend(x)
	}
	turn := p.Turn()
	if _, err := p.Arrive(nil, false); err != nil {
		return err
	}
	if p.Me == root {
		p.Told()
	} else {
		if err := p.From(root); err != nil {
			return err
		}
		err := touch(p, func() error {
			if from := p.Lent(root, turn); len(from) == len(x) { // else the ranks differ, and are told so
				stream.Copy(x, from, p.Members*len(x))
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	if err := p.Enter(); err != nil {
		return err
	}
	if _, err := p.Arrive(nil, false); err != nil || p.Me != root {
		return err
	}
	if err := p.Everybody(); err != nil {
		return err
	}
	p.TakeBack(turn)
	return nil
}

// lentAllReduce: every rank folds its part in its own buffer, where nobody else
// reads it, and copies the others' parts from theirs.
func lentAllReduce(p *board.Party, x []byte, f algo.Fold) error {
	return lent(p, allReduceLent(p, x, f))
}

func allReduceLent(p *board.Party, x []byte, f algo.Fold) error {
	turn, err := lend(p, x)
	if err != nil {
		return err
	}
	err = touch(p, func() error {
		lo, hi := cut(len(x), f.Elem, p.Me, p.Members)
		for i := 1; i < p.Members && lo < hi; i++ {
			if err := f.Into(x[lo:hi], p.Lent((p.Me+i)%p.Members, turn)[lo:hi]); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := meet(p, nil); err != nil {
		return err
	}
	err = touch(p, func() error {
		for i := 1; i < p.Members; i++ {
			m := (p.Me + i) % p.Members
			lo, hi := cut(len(x), f.Elem, m, p.Members)
			copy(x[lo:hi], p.Lent(m, turn)[lo:hi])
		}
		return nil
	})
	if err != nil {
		return err
	}
	return returned(p, turn)
}

// lentReduce: every rank folds its part into the root's buffer.
func lentReduce(p *board.Party, root int, x []byte, f algo.Fold) error {
	return lent(p, lendAndTouch(p, x, func(turn uint64) error {
		lo, hi := cut(len(x), f.Elem, p.Me, p.Members)
		for i := 1; i < p.Members && lo < hi; i++ {
			if err := f.Into(p.Lent(root, turn)[lo:hi], p.Lent((root+i)%p.Members, turn)[lo:hi]); err != nil {
				return err
			}
		}
		return nil
	}))
}

// lendAndTouch lends x, runs do, which uses what others lend, and waits until all have.
func lendAndTouch(p *board.Party, x []byte, do func(turn uint64) error) error {
	turn, err := lend(p, x)
	if err != nil {
		return err
	}
	if err := touch(p, func() error { return do(turn) }); err != nil {
		return err
	}
	return returned(p, turn)
}

// lentReduceScatter: every rank folds its blocks of everybody's x.
func lentReduceScatter(p *board.Party, x, part []byte, f algo.Fold) error {
	return lent(p, lendAndTouch(p, x, func(turn uint64) error {
		lo, hi := p.Me*len(part), (p.Me+1)*len(part)
		copy(part, x[lo:hi])
		for i := 1; i < p.Members; i++ {
			if err := f.Into(part, p.Lent((p.Me+i)%p.Members, turn)[lo:hi]); err != nil {
				return err
			}
		}
		return nil
	}))
}

// lentAllGather copies from everybody's buffer, and its own block only where it is
// not in its place already: others read it at the same time.
func lentAllGather(p *board.Party, x, all []byte) error {
	return lent(p, lendAndTouch(p, x, func(turn uint64) error {
		for i := range p.Members {
			m := (p.Me + i) % p.Members
			if block := all[m*len(x) : (m+1)*len(x)]; m != p.Me || &block[0] != &x[0] {
				stream.Copy(block, p.Lent(m, turn)[:len(block)], p.Members*len(all))
			}
		}
		return nil
	}))
}

// lentAllToAll copies this rank's block of everybody's buffer.
func lentAllToAll(p *board.Party, out, in []byte) error {
	return lent(p, lendAndTouch(p, out, func(turn uint64) error {
		n := len(out) / p.Members
		for i := range p.Members {
			m := (p.Me + i) % p.Members
			block := p.Lent(m, turn)[p.Me*n:]
			stream.Copy(in[m*n:(m+1)*n], block[:n], p.Members*len(in))
		}
		return nil
	}))
}
