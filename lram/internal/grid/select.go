package grid

// A Segment is the part of a selection along one dimension that lies in one
// block: N elements, the first at index At of the block, stride apart; the
// first one is the selection's element Out along that dimension.
type Segment struct {
	Block, At, N, Out int
}

// A Selection is a box of elements, every stride-th in each dimension.
type Selection struct {
	g      *Grid
	stride []int
	count  []int
	axes   [][]Segment
	pieces int64
}

// Select cuts a selection, which must lie inside the array: count elements
// from start, stride apart. Blocks that a stride steps over are not touched.
func (g *Grid) Select(start, count, stride []int) *Selection {
	s := &Selection{g: g, stride: stride, count: count, axes: make([][]Segment, len(g.shape)), pieces: 1}
	for d, n := range count {
		for k := 0; k < n; {
			at := start[d] + k*stride[d]
			b := at / g.block[d]
			in := at - b*g.block[d]
			// As many steps as stay in front of the block's end.
			m := min(n-k, (g.block[d]-1-in)/stride[d]+1)
			s.axes[d] = append(s.axes[d], Segment{Block: b, At: in, N: m, Out: k})
			k += m
		}
		s.pieces *= int64(len(s.axes[d]))
	}
	return s
}

// Pieces is how many blocks the selection touches, each once.
func (s *Selection) Pieces() int64 { return s.pieces }

// Block is the index of the block that piece i lies in. Ascending in i.
func (s *Selection) Block(i int64) int64 {
	var b, scale int64 = 0, 1
	for d := len(s.axes) - 1; d >= 0; d-- {
		n := int64(len(s.axes[d]))
		b += int64(s.axes[d][i%n].Block) * scale
		i /= n
		scale *= int64(s.g.counts[d])
	}
	return b
}

// A Run is a row of elements along the fastest dimension: N elements, the
// first at From of the block, Step apart, go to element To on of the result.
// All in elements; blocks and result are row-major and dense.
type Run struct {
	From, Step, N, To int
}

// Runs calls do for every run of piece i until it returns false.
func (s *Selection) Runs(i int64, do func(Run) bool) {
	n := len(s.axes)
	if n == 0 {
		do(Run{Step: 1, N: 1})
		return
	}
	// Along each dimension: the segment, and what one step costs in the block and in the result.
	var small [8]axis
	ax := small[:0]
	if n > len(small) {
		ax = make([]axis, 0, n)
	}
	ax = ax[:n]
	from, to := 1, 1
	run := Run{}
	for d := n - 1; d >= 0; d-- {
		k := int64(len(s.axes[d]))
		seg := s.axes[d][i%k]
		i /= k
		ax[d] = axis{n: seg.N, from: from * s.stride[d], to: to}
		run.From += seg.At * from
		run.To += seg.Out * to
		from *= min(s.g.block[d], s.g.shape[d]-seg.Block*s.g.block[d])
		to *= s.count[d]
	}
	inner := ax[n-1]
	run.Step, run.N = inner.from, inner.n
	outer := n - 1
	// Rows that touch in the block and in the result are one run.
	for outer > 0 && run.Step == 1 && ax[outer-1].from == run.N && ax[outer-1].to == run.N {
		outer--
		run.N *= ax[outer].n
	}
	for {
		if !do(run) {
			return
		}
		d := outer - 1
		for ; d >= 0; d-- {
			a := &ax[d]
			a.at++
			run.From += a.from
			run.To += a.to
			if a.at < a.n {
				break
			}
			run.From -= a.at * a.from
			run.To -= a.at * a.to
			a.at = 0
		}
		if d < 0 {
			return
		}
	}
}

// axis is an odometer wheel: n positions, each step moves from and to.
type axis struct {
	n, at, from, to int
}
