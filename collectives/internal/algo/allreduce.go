package algo

// allReduceDoubling: in round k partners 2^k apart swap what they have and both
// fold it, so that after log2 p rounds everybody has the fold of all. Both
// compute lower op higher on the same bytes: the results agree to the bit even
// where the operation is sensitive to the order of its operands (NaN payloads,
// signed zeros, ties). n*log2 p bytes a rank.
func allReduceDoubling(c Net, x []byte, f Fold) error {
	k := coreOf(c)
	mine, got := x, c.Scratch(len(x))
	if err := k.enter(c, mine, got, f); err != nil {
		return err
	}
	if k.me >= 0 {
		for d := 1; d < k.n; d *= 2 {
			peer := k.rank(k.me ^ d)
			if err := c.SendRecv(peer, mine, peer, got); err != nil {
				return err
			}
			if k.me&d != 0 { // the peer is the lower one
				mine, got = got, mine
			}
			if err := f.Into(mine, got); err != nil {
				return err
			}
		}
		if len(x) > 0 && &mine[0] != &x[0] {
			copy(x, mine)
		}
	}
	return k.leave(c, x)
}

// allReduceRabenseifner reduces and scatters by recursive halving and collects
// the parts by recursive doubling: 2*log2 p rounds, 2n bytes a rank (up to 4n
// on the ranks that stand in for another when p is no power of two).
// Rabenseifner, "Optimization of collective reduction operations", 2004.
func allReduceRabenseifner(c Net, x []byte, f Fold) error {
	k := coreOf(c)
	tmp := c.Scratch(len(x))
	if err := k.enter(c, x, tmp, f); err != nil {
		return err
	}
	if k.me >= 0 {
		off := cuts(len(x), f.Elem, k.n)
		if err := k.halve(c, x, tmp, off, f); err != nil {
			return err
		}
		if err := k.double(c, x, off); err != nil {
			return err
		}
	}
	return k.leave(c, x)
}

// allReduceRing sends p parts around a ring, each collecting the fold on its
// first way round and spreading it on the second: 2(p-1) rounds, 2n(p-1)/p
// bytes a rank for any p. Patarasuk, Yuan, "Bandwidth optimal all-reduce
// algorithms for clusters of workstations", 2009.
func allReduceRing(c Net, x []byte, f Fold) error {
	r, p := c.Rank(), c.Size()
	off := cuts(len(x), f.Elem, p)
	part := func(i int) []byte {
		i = (i + 2*p) % p
		return x[off[i]:off[i+1]]
	}
	tmp := c.Scratch(len(x)/p + f.Elem)
	next, prev := (r+1)%p, (r-1+p)%p
	for s := range p - 1 {
		into := part(r - 2 - s)
		got := tmp[:len(into)]
		if err := c.SendRecv(next, part(r-1-s), prev, got); err != nil {
			return err
		}
		if err := f.Into(into, got); err != nil {
			return err
		}
	}
	return ring(c, r, x, off)
}

// allReduceGather is reduceGather and a broadcast: folded once, in rank order,
// so all ranks have the same bytes.
func allReduceGather(c Net, x []byte, f Fold) error {
	if err := reduceGather(c, 0, x, f); err != nil {
		return err
	}
	return Bcast(c, Choice{}, 0, x)
}

// allReduceChain folds along the ranks to the last one and broadcasts from there.
func allReduceChain(c Net, x []byte, f Fold) error {
	if err := climb(c, 0); err != nil {
		return err
	}
	last := c.Size() - 1
	if err := chainTo(c, last, x, f); err != nil {
		return err
	}
	return Bcast(c, Choice{}, last, x)
}
