package algo

// reduceScatterHalving is recursive halving within the core, whose ranks work
// for the blocks of those they cover: log2 p rounds, about n bytes a rank.
func reduceScatterHalving(c Net, x, part []byte, f Fold) error {
	k, n := coreOf(c), len(part)
	sum, tmp := c.Scratch(len(x)), c.Scratch(len(x))
	copy(sum, x)
	if err := k.enter(c, sum, tmp, f); err != nil {
		return err
	}
	if k.me < 0 {
		return c.Recv(k.r+1, part)
	}
	off := make([]int, k.n+1)
	for i := range off {
		off[i] = k.first(i) * n
	}
	if err := k.halve(c, sum, tmp, off, f); err != nil {
		return err
	}
	copy(part, sum[k.r*n:])
	if !k.paired() {
		return nil
	}
	return c.Send(k.r-1, sum[(k.r-1)*n:k.r*n])
}

// reduceScatterPairwise: in round i every rank sends its block for the rank i
// above and folds the one from the rank i below: p-1 rounds, n(p-1)/p bytes,
// and no more memory than two blocks.
func reduceScatterPairwise(c Net, x, part []byte, f Fold) error {
	r, p, n := c.Rank(), c.Size(), len(part)
	copy(part, x[r*n:])
	tmp := c.Scratch(n)
	for i := 1; i < p; i++ {
		dst, src := (r+i)%p, (r-i+p)%p
		if err := c.SendRecv(dst, x[dst*n:(dst+1)*n], src, tmp); err != nil {
			return err
		}
		if err := f.Into(part, tmp); err != nil {
			return err
		}
	}
	return nil
}

// reduceScatterAllToAll collects all blocks meant for this rank and folds them
// in rank order: the bytes of pairwise, and p blocks of memory.
func reduceScatterAllToAll(c Net, x, part []byte, f Fold) error {
	off := Even(len(part), c.Size())
	all := c.Scratch(len(x))
	if err := AllToAll(c, Choice{}, x, all, off); err != nil {
		return err
	}
	return foldBlocks(part, all, f)
}

// ReduceScatterV is pairwise for blocks of any lengths, bounded by off: it leaves
// the fold of block r in rank r's x. The rest of x stays.
func ReduceScatterV(c Net, x []byte, off []int, f Fold) error {
	r, p := c.Rank(), c.Size()
	mine := x[off[r]:off[r+1]]
	tmp := c.Scratch(len(mine))
	for i := 1; i < p; i++ {
		dst, src := (r+i)%p, (r-i+p)%p
		if err := c.SendRecv(dst, x[off[dst]:off[dst+1]], src, tmp); err != nil {
			return err
		}
		if err := f.Into(mine, tmp); err != nil {
			return err
		}
	}
	return nil
}
