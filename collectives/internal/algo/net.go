package algo

// A Net connects this rank with the others of its group for one collective.
// Messages from one rank to another arrive in the order they were sent, and
// every receive but RecvBytes fails when the message has another length than
// the buffer.
type Net interface {
	Rank() int
	Size() int
	// Send returns when x may be changed, perhaps not before dst receives it.
	Send(dst int, x []byte) error
	Recv(src int, x []byte) error
	// SendRecv does both at once.
	SendRecv(dst int, out []byte, src int, in []byte) error
	// Exchange does all these transfers at once.
	Exchange(out, in []Part) error
	// RecvBytes receives a message whose length only the sender knows.
	RecvBytes(src int) ([]byte, error)
	// Scratch lends n bytes, of any content, aligned for elements of any type, until
	// the collective ends.
	Scratch(n int) []byte
}

// A Part is what goes to, or comes from, one rank.
type Part struct {
	Peer  int
	Bytes []byte
}

// A Fold combines two buffers of equal length, made of elements of Elem bytes.
type Fold struct {
	Elem int
	// Into computes dst = dst op src, dst standing for the lower ranks.
	Into func(dst, src []byte) error
}

const (
	// segment is the size of the pieces in which long pipelines move: large
	// enough to hide the cost of a message, small enough to stay in cache
	// between its arrival, the fold and its departure.
	segment = 64 << 10
	// window bounds the transfers that one rank has under way at once when it
	// deals with all the others.
	window = 16
)

// cuts returns the parts+1 byte offsets that divide n bytes into nearly equal
// parts at boundaries of elements of elem bytes.
func cuts(n, elem, parts int) []int {
	count := n / max(elem, 1)
	off := make([]int, parts+1)
	for i := range off {
		off[i] = count * i / parts * elem
	}
	return off
}

// Even returns the offsets of parts blocks of n bytes each.
func Even(n, parts int) []int {
	off := make([]int, parts+1)
	for i := range off {
		off[i] = n * i
	}
	return off
}

// rotate returns the offsets of the same blocks laid out from block first on:
// entry i is where block (first+i) mod p begins.
func rotate(off []int, first int) []int {
	p := len(off) - 1
	turned := make([]int, p+1)
	for i := range p {
		j := (first + i) % p
		turned[i+1] = turned[i] + off[j+1] - off[j]
	}
	return turned
}

// pieces calls do with the bounds of every segment of n bytes, cut at elements
// of elem bytes; once with (0, 0) when n is 0, so that a message still flows.
func pieces(n, elem int, do func(lo, hi int) error) error {
	step := max(segment/max(elem, 1), 1) * max(elem, 1)
	for lo := 0; ; lo += step {
		hi := min(lo+step, n)
		if err := do(lo, hi); err != nil || hi == n {
			return err
		}
	}
}

// Transfer does any number of transfers, some at a time.
func Transfer(c Net, out, in []Part) error { return windows(c, out, in) }

// windows does the transfers a window at a time, out[i] together with in[i].
func windows(c Net, out, in []Part) error {
	for len(out)+len(in) > 0 {
		o, i := min(window, len(out)), min(window, len(in))
		if err := c.Exchange(out[:o], in[:i]); err != nil {
			return err
		}
		out, in = out[o:], in[i:]
	}
	return nil
}
