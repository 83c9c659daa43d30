package algo

// all and off are as in allgather.go; all means something on root only.

// gatherBinomial collects blocks up a binomial tree, every rank sending its
// whole subtree as one message: ceil(log2 p) rounds, but a block travels up to
// log2 p times. All ranks must know off.
func gatherBinomial(c Net, root int, x, all []byte, off []int) error {
	t := treeOf(c, root)
	turned := rotate(off, root)
	base := turned[t.v]
	have := x // the blocks of this rank's subtree
	kids := t.children()
	switch {
	case t.isRoot() && root == 0:
		have = all
		copy(have, x)
	case len(kids) > 0:
		have = c.Scratch(turned[t.end] - base)
		copy(have, x)
	}
	for _, k := range kids {
		if err := c.Recv(k.rank, have[turned[k.v]-base:turned[k.end]-base]); err != nil {
			return err
		}
	}
	if !t.isRoot() {
		return c.Send(t.parent(), have)
	}
	if root != 0 {
		unrotate(all, have, off, root)
	}
	return nil
}

// gatherLinear sends every block straight to root, into its place. Only root
// needs off.
func gatherLinear(c Net, root int, x, all []byte, off []int) error {
	if err := climb(c, root); err != nil {
		return err
	}
	if c.Rank() != root {
		return c.Send(root, x)
	}
	copy(all[off[root]:off[root+1]], x)
	return windows(c, nil, others(c, all, off))
}

// others lists the blocks of all ranks but this one, nearest above it first.
func others(c Net, all []byte, off []int) []Part {
	r, p := c.Rank(), c.Size()
	parts := make([]Part, 0, p-1)
	for i := 1; i < p; i++ {
		j := (r + i) % p
		parts = append(parts, Part{Peer: j, Bytes: all[off[j]:off[j+1]]})
	}
	return parts
}

// GatherBytes gives root the messages of all ranks, whose lengths only they
// know, in rank order; the others get nil.
func GatherBytes(c Net, root int, b []byte) ([][]byte, error) {
	if c.Rank() != root {
		return nil, c.Send(root, b)
	}
	all := make([][]byte, c.Size())
	for i := range all {
		if i == root {
			all[i] = b
			continue
		}
		var err error
		if all[i], err = c.RecvBytes(i); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// scatterBinomial is gatherBinomial backwards.
func scatterBinomial(c Net, root int, all []byte, off []int, x []byte) error {
	t := treeOf(c, root)
	turned := rotate(off, root)
	base := turned[t.v]
	kids := t.children()
	have := x
	switch {
	case t.isRoot():
		have = all
		if root != 0 {
			have = c.Scratch(off[t.p])
			n := copy(have, all[off[root]:off[t.p]]) // all may be longer than the blocks
			copy(have[n:], all[:off[root]])
		}
	case len(kids) > 0:
		have = c.Scratch(turned[t.end] - base)
	}
	if !t.isRoot() {
		if err := c.Recv(t.parent(), have); err != nil {
			return err
		}
	}
	parts := make([]Part, 0, len(kids))
	for i := len(kids) - 1; i >= 0; i-- {
		k := kids[i]
		parts = append(parts, Part{Peer: k.rank, Bytes: have[turned[k.v]-base : turned[k.end]-base]})
	}
	if t.isRoot() || len(kids) > 0 {
		copy(x, have)
	}
	return c.Exchange(parts, nil)
}

// scatterLinear sends every block straight from its place. Only root needs off.
func scatterLinear(c Net, root int, all []byte, off []int, x []byte) error {
	if c.Rank() != root {
		return c.Recv(root, x)
	}
	copy(x, all[off[root]:off[root+1]])
	return windows(c, others(c, all, off), nil)
}
