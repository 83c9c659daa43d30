package algo

// chain passes the fold of ranks 0..r-1 from rank to rank, piece by piece. For
// each piece of x, which begins at lo, visit gets that fold (nil on rank 0)
// and the one that includes this rank; it may write to this piece of x.
func chain(c Net, x []byte, f Fold, visit func(lo int, before, upto []byte)) error {
	r, last := c.Rank(), c.Size()-1
	size := min(len(x), max(segment, f.Elem))
	upto := c.Scratch(size)
	var before []byte
	if r > 0 {
		before = c.Scratch(size)
	}
	var passing []Part // the piece before, on its way to the next rank
	err := pieces(len(x), f.Elem, func(lo, hi int) error {
		var in []Part
		if r > 0 {
			in = []Part{{Peer: r - 1, Bytes: before[:hi-lo]}}
		}
		if err := c.Exchange(passing, in); err != nil {
			return err
		}
		mine := upto[:hi-lo]
		var lower []byte
		if r > 0 {
			lower = before[:hi-lo]
			copy(mine, lower)
			if err := f.Into(mine, x[lo:hi]); err != nil {
				return err
			}
		} else {
			copy(mine, x[lo:hi])
		}
		visit(lo, lower, mine)
		if r < last {
			passing = []Part{{Peer: r + 1, Bytes: mine}}
		}
		return nil
	})
	if err != nil {
		return err
	}
	return c.Exchange(passing, nil)
}
