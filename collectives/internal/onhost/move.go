package onhost

import (
	"gridrun/internal/board"
	"gridrun/internal/stream"
)

// Barrier returns when everybody has called it.
func Barrier(p *board.Party) error { return meet(p, nil) }

// Bcast copies root's x into everybody's. The root does not wait for the others,
// as long as the pipe has room.
func Bcast(p *board.Party, root int, x []byte) error {
	if lends(p, len(x)) {
		return lentBcast(p, root, x)
	}
	if err := p.Enter(); err != nil {
		return err
	}
	inline := len(x) <= board.Inline
	var data []byte
	if p.Me == root && inline {
		data = x
	}
	if _, err := p.Arrive(data, false); err != nil {
		return err
	}
	switch {
	case p.Me == root && inline:
		p.Told()
		return nil
	case p.Me == root:
		return p.Put(x)
	case !inline:
		return p.Take(x)
	}
	if err := p.From(root); err != nil {
		return err
	}
	copy(x, p.Posted(root))
	return nil
}

// Gather fills root's all with the blocks of all ranks, of len(x) bytes each.
func Gather(p *board.Party, root int, x, all []byte) error {
	n := len(x)
	size := max(p.Stage, board.Inline)
	for lo := 0; ; lo += size {
		piece := x[lo:min(lo+size, n)]
		if err := enter(p, len(piece)); err != nil {
			return err
		}
		if _, err := arrive(p, piece, false); err != nil {
			return err
		}
		if p.Me == root {
			if err := p.Everybody(); err != nil {
				return err
			}
			for m := range p.Members {
				copy(all[m*n+lo:], shown(p, m, len(piece)))
			}
		}
		if lo+len(piece) == n {
			return nil
		}
	}
}

// Scatter fills everybody's x with its block of root's all: the root writes into
// the others' stages.
func Scatter(p *board.Party, root int, all, x []byte) error {
	n := len(x)
	for lo := 0; ; lo += p.Stage {
		hi := min(lo+p.Stage, n)
		if p.Me != root {
			if err := p.Enter(); err != nil {
				return err
			}
			if _, err := p.Arrive(nil, false); err != nil {
				return err
			}
			if err := p.From(root); err != nil {
				return err
			}
			copy(x[lo:hi], p.Shown(p.Me))
		} else {
			if err := p.EnterStage(); err != nil {
				return err
			}
			if err := p.Agree(); err != nil {
				return err
			}
			for m := range p.Members {
				if m != root {
					copy(p.Shown(m), all[m*n+lo:m*n+hi])
				}
			}
			copy(x[lo:hi], all[root*n+lo:])
			if _, err := p.Arrive(nil, false); err != nil {
				return err
			}
			p.Told()
		}
		if hi == n {
			return nil
		}
	}
}

// AllGather fills everybody's all with the blocks bounded by off, or with equal
// ones for a nil off; x is this rank's.
func AllGather(p *board.Party, x, all []byte, off []int) error {
	if off == nil && lends(p, len(x)) {
		return lentAllGather(p, x, all)
	}
	longest := len(x)
	if off != nil {
		for m := range p.Members {
			longest = max(longest, off[m+1]-off[m])
		}
	}
	size := longest // of a piece of every block
	if longest > board.Inline {
		size = min(longest, p.Stage)
	}
	for lo := 0; ; lo += size {
		if err := enter(p, size); err != nil {
			return err
		}
		mine := x[min(lo, len(x)):min(lo+size, len(x))]
		var data []byte
		if size <= board.Inline {
			data = mine
		} else {
			copy(p.Shown(p.Me), mine)
		}
		if err := p.Meet(data); err != nil {
			return err
		}
		for m := range p.Members {
			from, to := m*longest, (m+1)*longest
			if off != nil {
				from, to = off[m], off[m+1]
			}
			part := all[min(from+lo, to):min(from+lo+size, to)]
			if m == p.Me {
				copy(part, mine)
			} else {
				stream.Copy(part, shown(p, m, size)[:len(part)], p.Members*len(all))
			}
		}
		if lo+size >= longest {
			return nil
		}
	}
}

// AllToAll sends block m of out to rank m and fills block m of in from it.
func AllToAll(p *board.Party, out, in []byte) error {
	if lends(p, len(out)) {
		return lentAllToAll(p, out, in)
	}
	n := len(out) / p.Members
	size := n
	if p.Members*n > board.Inline {
		size = min(n, p.Stage/p.Members)
	}
	total := p.Members * size
	for lo := 0; ; lo += size {
		hi := min(lo+size, n)
		if err := enter(p, total); err != nil {
			return err
		}
		var data []byte
		switch {
		case total <= board.Inline:
			data = out
		case size == n:
			copy(p.Shown(p.Me), out)
		default:
			for m := range p.Members {
				copy(p.Shown(p.Me)[m*size:], out[m*n+lo:m*n+hi])
			}
		}
		if err := p.Meet(data); err != nil {
			return err
		}
		for i := range p.Members {
			m := (p.Me + i) % p.Members // not all at the same one
			block := shown(p, m, total)[p.Me*size:]
			stream.Copy(in[m*n+lo:m*n+hi], block[:hi-lo], p.Members*len(in))
		}
		if hi == n {
			return nil
		}
	}
}
