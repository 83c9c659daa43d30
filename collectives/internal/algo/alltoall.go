package algo

// allToAllBruck moves block j of a rank, meant for the one j above it, by the
// powers of two in j: in round k all blocks with bit k in j travel together.
// ceil(log2 p) rounds, about n/2*log2 p bytes a rank. Bruck et al., 1997.
func allToAllBruck(c Net, out, in []byte, off []int) error {
	r, p := c.Rank(), c.Size()
	n := off[1]
	tmp := c.Scratch(len(out))
	m := copy(tmp, out[off[r]:])
	copy(tmp[m:], out[:off[r]])
	send, recv := c.Scratch(len(out)), c.Scratch(len(out))
	for d := 1; d < p; d *= 2 {
		m = 0
		for j := d; j < p; j++ {
			if j&d != 0 {
				m += copy(send[m:], tmp[j*n:(j+1)*n])
			}
		}
		if err := c.SendRecv((r+d)%p, send[:m], (r-d+p)%p, recv[:m]); err != nil {
			return err
		}
		m = 0
		for j := d; j < p; j++ {
			if j&d != 0 {
				m += copy(tmp[j*n:(j+1)*n], recv[m:])
			}
		}
	}
	for j := range p {
		src := (r - j + p) % p
		copy(in[src*n:(src+1)*n], tmp[j*n:])
	}
	return nil
}

// allToAllPairwise exchanges with the rank i above and the rank i below in
// round i, a window of rounds at a time: every block moves once, straight from
// its place into its place.
func allToAllPairwise(c Net, out, in []byte, off []int) error {
	return AllToAllV(c, out, off, in, off)
}

// AllToAllV is the pairwise exchange for blocks of any lengths, which only the
// two ranks concerned know: the one algorithm for that.
func AllToAllV(c Net, out []byte, outOff []int, in []byte, inOff []int) error {
	r, p := c.Rank(), c.Size()
	copy(in[inOff[r]:inOff[r+1]], out[outOff[r]:outOff[r+1]])
	outs, ins := make([]Part, 0, p-1), make([]Part, 0, p-1)
	for i := 1; i < p; i++ {
		dst, src := (r+i)%p, (r-i+p)%p
		outs = append(outs, Part{Peer: dst, Bytes: out[outOff[dst]:outOff[dst+1]]})
		ins = append(ins, Part{Peer: src, Bytes: in[inOff[src]:inOff[src+1]]})
	}
	return windows(c, outs, ins)
}
