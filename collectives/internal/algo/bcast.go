package algo

// bcastBinomial sends x down a binomial tree. Long buffers go in segments: a
// rank passes one on while the next arrives.
func bcastBinomial(c Net, root int, x []byte) error {
	t := treeOf(c, root)
	kids := t.children()
	var ready []byte // received, not yet passed on
	started := t.isRoot()
	err := pieces(len(x), 1, func(lo, hi int) error {
		var out, in []Part
		if t.isRoot() {
			out = toAll(kids, x[lo:hi])
		} else {
			in = []Part{{Peer: t.parent(), Bytes: x[lo:hi]}}
			if started {
				out = toAll(kids, ready)
			}
		}
		ready, started = x[lo:hi], true
		return c.Exchange(out, in)
	})
	if err != nil || t.isRoot() {
		return err
	}
	return c.Exchange(toAll(kids, ready), nil)
}

// bcastScatterAllGather scatters x down a binomial tree, one part a rank, and
// collects the parts in a ring: every rank sends and receives about 2n bytes
// however many ranks there are. Barnett, Shuler, van de Geijn et al.,
// "Interprocessor collective communication library", 1994.
func bcastScatterAllGather(c Net, root int, x []byte) error {
	t := treeOf(c, root)
	off := cuts(len(x), 1, t.p)
	if !t.isRoot() {
		if err := c.Recv(t.parent(), x[off[t.v]:off[t.end]]); err != nil {
			return err
		}
	}
	kids := t.children()
	parts := make([]Part, 0, len(kids))
	for i := len(kids) - 1; i >= 0; i-- {
		k := kids[i]
		parts = append(parts, Part{Peer: k.rank, Bytes: x[off[k.v]:off[k.end]]})
	}
	if err := c.Exchange(parts, nil); err != nil {
		return err
	}
	return ring(c, t.v, x, off)
}

// BcastBytes gives every rank the root's b, whose length only the root knows,
// along a binomial tree.
func BcastBytes(c Net, root int, b []byte) ([]byte, error) {
	t := treeOf(c, root)
	if !t.isRoot() {
		var err error
		if b, err = c.RecvBytes(t.parent()); err != nil {
			return nil, err
		}
	}
	return b, c.Exchange(toAll(t.children(), b), nil)
}
