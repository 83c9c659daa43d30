package algo

// A core is the largest power of two of ranks within a group. The first 2*rem
// ranks pair up: the odd one of a pair is in the core and works for both, so
// neighbours stay neighbours and core rank i covers a contiguous run of ranks.
// Thakur, Rabenseifner, Gropp, "Optimization of collective communication
// operations in MPICH", 2005.
type core struct {
	n   int // ranks in the core
	rem int // ranks outside
	r   int // this rank in the group
	me  int // this rank in the core, -1 outside
}

func coreOf(c Net) core {
	k := core{n: 1, r: c.Rank()}
	for k.n*2 <= c.Size() {
		k.n *= 2
	}
	k.rem = c.Size() - k.n
	switch {
	case k.r >= 2*k.rem:
		k.me = k.r - k.rem
	case k.r%2 == 1:
		k.me = k.r / 2
	default:
		k.me = -1
	}
	return k
}

// rank returns the group's number of core rank i.
func (k core) rank(i int) int { return k.first(i+1) - 1 }

// first returns the lowest rank that core rank i covers; first(n) is the size
// of the group.
func (k core) first(i int) int { return min(2*i, i+k.rem) }

// paired tells whether this rank belongs to a pair.
func (k core) paired() bool { return k.r < 2*k.rem }

// enter folds the outside ranks' x into that of their partners in the core, in
// rank order; tmp is as long as x.
func (k core) enter(c Net, x, tmp []byte, f Fold) error {
	switch {
	case !k.paired():
		return nil
	case k.me < 0:
		return c.Send(k.r+1, x)
	}
	if err := c.Recv(k.r-1, tmp); err != nil {
		return err
	}
	if err := f.Into(tmp, x); err != nil {
		return err
	}
	copy(x, tmp)
	return nil
}

// leave gives the outside ranks the x of their partners.
func (k core) leave(c Net, x []byte) error {
	switch {
	case !k.paired():
		return nil
	case k.me < 0:
		return c.Recv(k.r+1, x)
	}
	return c.Send(k.r-1, x)
}

// halve reduces and scatters within the core by recursive halving: x is cut at
// off (n+1 offsets); two ranks swap halves of what they both still hold and
// each folds the half it keeps, until core rank i is left with the result of
// part i. The rest of x is spoilt; tmp is at least as long as x.
func (k core) halve(c Net, x, tmp []byte, off []int, f Fold) error {
	lo, hi := 0, k.n
	for d := k.n / 2; d > 0; d /= 2 {
		mid := lo + d
		give := x[off[mid]:off[hi]]
		if k.me < mid {
			hi = mid
		} else {
			give = x[off[lo]:off[mid]]
			lo = mid
		}
		keep := x[off[lo]:off[hi]]
		peer := k.rank(k.me ^ d)
		if err := c.SendRecv(peer, give, peer, tmp[:len(keep)]); err != nil {
			return err
		}
		if err := f.Into(keep, tmp[:len(keep)]); err != nil {
			return err
		}
	}
	return nil
}

// double collects the parts of x within the core by recursive doubling: the
// reverse of halve.
func (k core) double(c Net, x []byte, off []int) error {
	for d := 1; d < k.n; d *= 2 {
		mine := k.me &^ (d - 1)
		theirs := mine ^ d
		peer := k.rank(k.me ^ d)
		if err := c.SendRecv(peer, x[off[mine]:off[mine+d]], peer, x[off[theirs]:off[theirs+d]]); err != nil {
			return err
		}
	}
	return nil
}
