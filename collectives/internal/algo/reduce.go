package algo

// reduceBinomial folds up a binomial tree rooted at root, in segments: a rank
// folds its children's pieces into a copy of its own and passes that on. x of
// the other ranks stays as it is.
func reduceBinomial(c Net, root int, x []byte, f Fold) error {
	t := treeOf(c, root)
	kids := t.children()
	var acc, got []byte
	return pieces(len(x), f.Elem, func(lo, hi int) error {
		sum := x[lo:hi]
		if len(kids) > 0 {
			if got == nil {
				acc, got = c.Scratch(hi-lo), c.Scratch(hi-lo)
			}
			if !t.isRoot() {
				sum = acc[:copy(acc, sum)]
			}
		}
		for _, kid := range kids {
			if err := c.Recv(kid.rank, got[:hi-lo]); err != nil {
				return err
			}
			if err := f.Into(sum, got[:hi-lo]); err != nil {
				return err
			}
		}
		if t.isRoot() {
			return nil
		}
		return c.Send(t.parent(), sum)
	})
}

// reduceHalving reduces and scatters by recursive halving within the core, then
// every rank of it sends its part to root: 2n bytes a rank instead of the
// n*log2 p that a binomial root takes in. Rabenseifner, "Optimization of
// collective reduction operations", 2004.
func reduceHalving(c Net, root int, x []byte, f Fold) error {
	if err := climb(c, root); err != nil {
		return err
	}
	k := coreOf(c)
	sum, tmp := x, c.Scratch(len(x))
	if k.r != root {
		sum = c.Scratch(len(x))
		copy(sum, x)
	}
	off := cuts(len(x), f.Elem, k.n)
	if err := k.enter(c, sum, tmp, f); err != nil {
		return err
	}
	if k.me >= 0 {
		if err := k.halve(c, sum, tmp, off, f); err != nil {
			return err
		}
	}
	switch {
	case k.r == root:
		var in []Part
		for i := range k.n {
			if i != k.me {
				in = append(in, Part{Peer: k.rank(i), Bytes: x[off[i]:off[i+1]]})
			}
		}
		return windows(c, nil, in)
	case k.me >= 0:
		return c.Send(root, sum[off[k.me]:off[k.me+1]])
	}
	return nil
}

// reduceGather gathers every rank's x at root, which folds them in rank order.
func reduceGather(c Net, root int, x []byte, f Fold) error {
	p, n := c.Size(), len(x)
	var all []byte
	if c.Rank() == root {
		all = c.Scratch(p * n)
	}
	if err := gatherBinomial(c, root, x, all, Even(n, p)); err != nil || all == nil {
		return err
	}
	return foldBlocks(x, all, f)
}

// foldBlocks folds the blocks of all, each as long as x, in their order into x.
// It spoils all.
func foldBlocks(x, all []byte, f Fold) error {
	n := len(x)
	for lo := n; lo < len(all); lo += n {
		if err := f.Into(all[:n], all[lo:lo+n]); err != nil {
			return err
		}
	}
	copy(x, all)
	return nil
}

// reduceChain folds along the ranks 0, 1, ... in segments, so that all ranks
// work at once on different pieces; the last rank then sends the result to root.
func reduceChain(c Net, root int, x []byte, f Fold) error {
	if err := climb(c, root); err != nil {
		return err
	}
	return chainTo(c, root, x, f)
}

// chainTo is the chain of reduceChain.
func chainTo(c Net, root int, x []byte, f Fold) error {
	r, last := c.Rank(), c.Size()-1
	result := x
	if r == last && r != root {
		result = c.Scratch(len(x))
	}
	err := chain(c, x, f, func(lo int, _, upto []byte) {
		if r == last {
			copy(result[lo:], upto)
		}
	})
	switch {
	case err != nil || root == last:
		return err
	case r == last:
		return c.Send(root, result)
	case r == root:
		return c.Recv(last, x)
	}
	return nil
}
