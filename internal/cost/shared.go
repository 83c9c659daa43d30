package cost

// What goes by a board, in terms of collectives/internal/onhost: everybody must
// run once for each meeting, and all together copy and fold so many bytes.

const (
	// Names of the two ways that use memory which ranks share.
	Shared       = "shared"
	Hierarchical = "hierarchical"

	inline  = 48
	stage   = 128 << 10
	inCache = 16 << 20
	alone   = 64 << 10
	few     = 4

	oneRing   = 16
	perRing   = 12
	leastPart = 32 << 10
)

// meet is a meeting of all ranks.
func (g *Group) meet() Time {
	if g.Ranks <= g.Cores {
		return g.Meet.times(max(lg(g.Ranks), 1))
	}
	return g.Visit.times(g.Ranks)
}

// turn is a chain from one rank to all others, who need not wait for each other.
func (g *Group) turn() Time { return g.meet() }

// pieces are how many there are of n bytes of at most size.
func pieces(n, size int) int { return max((n+size-1)/max(size, 1), 1) }

// shared predicts an operation of n bytes on a board; ok is false for one that
// does not go by boards.
func (g *Group) shared(op string, n int) (t Time, ok bool) {
	p := g.Ranks
	switch op {
	case "Barrier":
		return g.meet(), true
	case "Bcast":
		if n <= inline {
			return g.turn(), true
		}
		// The pipe holds 8 slots; the root copies in while the others copy out.
		return plus(g.turn().times(pieces(n, 8*stage)), g.move(1, min(n, stage)), g.move(p-1, n)), true
	case "Reduce", "AllReduce":
		return g.sharedReduce(op == "AllReduce", n), true
	case "ReduceScatter":
		if t, ok := g.unordered(n, n/p); ok {
			return t, true
		}
		size := max(stage/p, 1)
		return plus(g.meet().times(pieces(n/p, size)), g.move(p, n), g.fold(p, n)), true
	case "AllGather":
		return plus(g.meet().times(pieces(n/p, stage)), g.move(p, n/p), g.move(p, n)), true
	case "AllToAll":
		size := max(stage/p, 1)
		return plus(g.meet().times(pieces(n/p, size)), g.move(p, n).times(2)), true
	case "Gather", "Scatter": // n is a block; the root moves them all
		return plus(g.turn().times(pieces(n, stage)), g.move(p, n), g.move(1, n*p)), true
	case "Scan", "ExScan": // every rank folds what those below it have
		return plus(g.meet().times(pieces(n, stage)), g.move(p, n), g.fold(p, n*p/2)), true
	}
	return 0, false
}

func (g *Group) sharedReduce(all bool, n int) Time {
	p, reach := g.Ranks, 1
	if all {
		reach = p
	}
	small := n <= inline || p <= few && n <= 4<<10 || p > few && n <= stage && n*p <= alone
	if small {
		t := plus(g.turn(), g.move(p, n), g.fold(1, n*p))
		if all {
			t = plus(t, g.move(p, n))
		}
		return t
	}
	if t, ok := g.unordered(n, n*reach/p); ok {
		return t
	}
	piece := g.slicePiece()
	return plus(g.meet().times(pieces(n, piece)+1), g.move(p, n), g.fold(p, n), g.move(reach, n))
}

// slicePiece is what each rank has in its stage at a time, in slices.
func (g *Group) slicePiece() int { return max(min(stage, inCache/g.Ranks), stage/g.Ranks, 1) }

// unordered is a reduction by rings or a tree of which every rank gets so many bytes, on
// average.
func (g *Group) unordered(n, gets int) (t Time, ok bool) {
	p, ring, rings := g.Ranks, g.Ranks, 1
	if p > oneRing {
		rings = (p + perRing - 1) / perRing
		ring = p / rings
	}
	switch {
	case p > few && n >= ring*min(leastPart, g.slicePiece()):
		steps := pieces(n, ring*stage) * (ring + 1)
		return plus(g.meet().times(steps), g.fold(p, n), g.fold(1, rings*n), g.move(p, gets)), true
	case p > g.Cores: // a tree: who comes first copies, the last goes up alone
		return plus(g.meet().times(pieces(n, stage)), g.move(p, n/2), g.fold(p, n), g.fold(1, n*lg(p)), g.move(p, gets)), true
	}
	return 0, false
}
