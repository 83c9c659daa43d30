package algo

// Here all holds the blocks of the ranks in rank order; block i is
// all[off[i]:off[i+1]] and x is this rank's. all may be longer than the blocks.

// allGatherBruck doubles what a rank has in each round, by taking the blocks of
// the rank as far above it as it already reaches: ceil(log2 p) rounds for any
// p, n(p-1)/p bytes of the n gathered, and one copy to put the blocks in place.
// Bruck, Ho, Kipnis, Upfal, Weathersby, "Efficient algorithms for all-to-all
// communications in multiport message-passing systems", 1997.
func allGatherBruck(c Net, x, all []byte, off []int) error {
	r, p := c.Rank(), c.Size()
	turned := rotate(off, r)
	tmp := c.Scratch(turned[p])
	copy(tmp, x)
	for have := 1; have < p; have *= 2 {
		n := min(have, p-have)
		err := c.SendRecv((r-have+p)%p, tmp[:turned[n]], (r+have)%p, tmp[turned[have]:turned[have+n]])
		if err != nil {
			return err
		}
	}
	unrotate(all, tmp, off, r)
	return nil
}

// unrotate copies blocks laid out from block first on into rank order.
func unrotate(all, turned []byte, off []int, first int) {
	n := copy(all[off[first]:off[len(off)-1]], turned)
	copy(all[:off[first]], turned[n:])
}

// allGatherDoubling: partners 2^k apart swap all they have. Ranks outside the
// core give their block to their partner and get everything in the end:
// log2 p rounds, n bytes, every block received in its place.
func allGatherDoubling(c Net, x, all []byte, off []int) error {
	k := coreOf(c)
	all = all[:off[c.Size()]]
	copy(all[off[k.r]:off[k.r+1]], x)
	if k.me < 0 {
		if err := c.Send(k.r+1, x); err != nil {
			return err
		}
		return c.Recv(k.r+1, all)
	}
	if k.paired() {
		if err := c.Recv(k.r-1, all[off[k.r-1]:off[k.r]]); err != nil {
			return err
		}
	}
	bounds := make([]int, k.n+1)
	for i := range bounds {
		bounds[i] = off[k.first(i)]
	}
	if err := k.double(c, all, bounds); err != nil {
		return err
	}
	return k.leave(c, all)
}

// allGatherRing passes the blocks around: p-1 rounds, n(p-1)/p bytes, each
// block received in its place and only neighbours talking.
func allGatherRing(c Net, x, all []byte, off []int) error {
	r := c.Rank()
	copy(all[off[r]:off[r+1]], x)
	return ring(c, r, all, off)
}

// ring lets the ranks, of which this one has part v of x and its right
// neighbour part v+1, collect all parts.
func ring(c Net, v int, x []byte, off []int) error {
	r, p := c.Rank(), c.Size()
	next, prev := (r+1)%p, (r-1+p)%p
	for s := range p - 1 {
		o, i := (v-s+p)%p, (v-s-1+p)%p
		if err := c.SendRecv(next, x[off[o]:off[o+1]], prev, x[off[i]:off[i+1]]); err != nil {
			return err
		}
	}
	return nil
}
