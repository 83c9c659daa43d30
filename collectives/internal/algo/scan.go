package algo

// scanDoubling: in round k a rank folds what the one 2^k below has, until its
// fold reaches down to rank 0. Order is kept; ceil(log2 p) rounds of n bytes.
// Hillis, Steele, "Data parallel algorithms", 1986.
func scanDoubling(c Net, x []byte, f Fold) error {
	_, err := prefixes(c, x, f, nil)
	return err
}

// exScanDoubling carries a second fold along, of the lower ranks without this one.
func exScanDoubling(c Net, x []byte, f Fold) error {
	upto, before := c.Scratch(len(x)), c.Scratch(len(x))
	copy(upto, x)
	some, err := prefixes(c, upto, f, before)
	if err == nil && some {
		copy(x, before)
	}
	return err
}

// prefixes leaves in upto the fold of ranks 0..r and, unless before is nil, in
// before that of ranks 0..r-1; some says whether there are any.
func prefixes(c Net, upto []byte, f Fold, before []byte) (some bool, err error) {
	r, p := c.Rank(), c.Size()
	lower, tmp := c.Scratch(len(upto)), c.Scratch(len(upto))
	for d := 1; d < p; d *= 2 {
		var out, in []Part
		if r+d < p {
			out = []Part{{Peer: r + d, Bytes: upto}}
		}
		if r >= d {
			in = []Part{{Peer: r - d, Bytes: lower}}
		}
		if err := c.Exchange(out, in); err != nil {
			return some, err
		}
		if r < d {
			continue
		}
		if before != nil {
			copy(tmp, lower)
			if some {
				if err := f.Into(tmp, before); err != nil {
					return some, err
				}
			}
			copy(before, tmp)
			some = true
		}
		if err := f.Into(lower, upto); err != nil {
			return some, err
		}
		copy(upto, lower)
	}
	return some, nil
}

// scanChain passes the fold from rank to rank in segments: a strict fold in
// rank order, n bytes a rank.
func scanChain(c Net, x []byte, f Fold) error {
	return chain(c, x, f, func(lo int, _, upto []byte) { copy(x[lo:], upto) })
}

// exScanChain is scanChain that keeps what came in.
func exScanChain(c Net, x []byte, f Fold) error {
	return chain(c, x, f, func(lo int, before, _ []byte) { copy(x[lo:], before) })
}
