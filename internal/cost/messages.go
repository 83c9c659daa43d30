package cost

const (
	// segment and window are those of the algorithms (collectives/internal/algo).
	segment = 64 << 10
	window  = 16
)

// An entry predicts an algorithm for n bytes, counted as docs/algorithms.md does.
type entry struct {
	op, name string
	ordered  bool // it folds in the order of the ranks
	time     func(g *Group, n int) Time
}

// entries are the algorithms that go by messages, for each operation the first
// wins a tie.
var entries = [...]entry{
	{"Barrier", "dissemination", false, func(g *Group, n int) Time { return g.swap(0).times(lg(g.Ranks)) }},
	{"Barrier", "tree", false, func(g *Group, n int) Time { return g.down(0).times(2) }},
	{"Bcast", "binomial", false, bcastBinomial},
	{"Bcast", "scatter-allgather", false, bcastScatter},
	{"Reduce", "binomial", false, reduceBinomial},
	{"Reduce", "halving", false, reduceHalving},
	{"Reduce", "gather", true, reduceGather},
	{"Reduce", "chain", true, func(g *Group, n int) Time { return plus(g.down(0), g.chain(n), g.step(1, n)) }},
	{"AllReduce", "doubling", false, func(g *Group, n int) Time {
		return plus(g.swapFold(n).times(lgDown(g.Ranks)), g.outside(n, true), g.outside(n, false))
	}},
	{"AllReduce", "ring", false, func(g *Group, n int) Time {
		return plus(g.swapFold(n/g.Ranks), g.swap(n/g.Ranks)).times(g.Ranks - 1)
	}},
	{"AllReduce", "rabenseifner", false, func(g *Group, n int) Time {
		return plus(g.halves(n, g.swapFold), g.halves(n, g.swap), g.outside(n, true), g.outside(n, false))
	}},
	{"AllReduce", "gather", true, func(g *Group, n int) Time { return plus(reduceGather(g, n), bcast(g, n)) }},
	{"AllReduce", "chain", true, func(g *Group, n int) Time { return plus(g.down(0), g.chain(n), bcast(g, n)) }},
	{"ReduceScatter", "halving", false, func(g *Group, n int) Time {
		return plus(g.move(g.Most, n), g.halves(n, g.swapFold), g.outside(n, true), g.outside(n/g.Ranks, false))
	}},
	{"ReduceScatter", "pairwise", false, func(g *Group, n int) Time { return g.swapFold(n / g.Ranks).times(g.Ranks - 1) }},
	{"ReduceScatter", "alltoall", true, func(g *Group, n int) Time {
		return plus(min(allToAllBruck(g, n), allToAllPairwise(g, n)), g.fold(g.Most, n))
	}},
	{"Gather", "binomial", false, func(g *Group, n int) Time { return g.subtrees(n) }},
	{"Gather", "linear", false, func(g *Group, n int) Time { return plus(g.down(0), g.star(n)) }},
	{"Scatter", "binomial", false, func(g *Group, n int) Time { return g.subtrees(n) }},
	{"Scatter", "linear", false, func(g *Group, n int) Time { return g.star(n) }},
	{"AllGather", "bruck", false, func(g *Group, n int) Time { return plus(g.doubles(n, g.Ranks), g.move(g.Most, n)) }},
	{"AllGather", "doubling", false, func(g *Group, n int) Time {
		return plus(g.doubles(n, 1<<lgDown(g.Ranks)), g.outside(n/g.Ranks, false), g.outside(n, false))
	}},
	{"AllGather", "ring", false, func(g *Group, n int) Time { return g.swap(n / g.Ranks).times(g.Ranks - 1) }},
	{"AllToAll", "bruck", false, allToAllBruck},
	{"AllToAll", "pairwise", false, allToAllPairwise},
	{"Scan", "doubling", false, func(g *Group, n int) Time { return g.swapFold(n).times(lg(g.Ranks)) }},
	{"Scan", "chain", true, func(g *Group, n int) Time { return g.chain(n) }},
	{"ExScan", "doubling", false, func(g *Group, n int) Time { return plus(g.swapFold(n), g.fold(g.Most, n)).times(lg(g.Ranks)) }},
	{"ExScan", "chain", true, func(g *Group, n int) Time { return g.chain(n) }},
}

// lg is the base-2 logarithm rounded up, lgDown rounded down.
func lg(p int) (k int) {
	for 1<<k < p {
		k++
	}
	return k
}

func lgDown(p int) (k int) {
	for 2<<k <= p {
		k++
	}
	return k
}

func (g *Group) swapFold(n int) Time { return plus(g.swap(n), g.fold(g.Most, n)) }
func (g *Group) oneWay(n int) Time   { return g.step(1, n) }

// level is how many ranks of a host send in the round of a binomial tree in which
// those at odd multiples of d do.
func (g *Group) level(d int) int { return max(g.Most/(2*d), 1) }

// down is n bytes down a binomial tree, or up.
func (g *Group) down(n int) (t Time) {
	for d := 1; d < g.Ranks; d *= 2 {
		t = plus(t, g.step(g.level(d), n))
	}
	return t
}

// subtrees is a binomial tree on which every rank sends the blocks of n bytes of
// all below it at once.
func (g *Group) subtrees(n int) (t Time) {
	for d := 1; d < g.Ranks; d *= 2 {
		t = plus(t, g.step(g.level(d), n*min(d, g.Ranks-d)))
	}
	return t
}

// halves is rounds of a half, a quarter ... of n bytes.
func (g *Group) halves(n int, round func(n int) Time) (t Time) {
	for d := 1; 2*d <= g.Ranks; d *= 2 {
		t = plus(t, round(n/(2*d)))
	}
	return t
}

// doubles is rounds in which ranks swap all they have of p blocks, n bytes in all.
func (g *Group) doubles(n, p int) (t Time) {
	for have := 1; have < p; have *= 2 {
		t = plus(t, g.swap(n/p*min(have, p-have)))
	}
	return t
}

// outside is the round in which ranks beyond a power of two give n bytes to their
// partners, who fold them, or get them.
func (g *Group) outside(n int, fold bool) Time {
	rest := g.Ranks - 1<<lgDown(g.Ranks)
	if rest == 0 {
		return 0
	}
	k := max(rest*g.Most/g.Ranks, 1)
	t := g.step(k, n)
	if fold {
		t = plus(t, g.fold(k, n))
	}
	return t
}

// pipelined is first for the first segment of n bytes, and next for each further
// one, of which there may be a part.
func pipelined(n int, first, next Time) Time {
	return plus(first, next.times(max(n-segment, 0)/64)/(segment/64))
}

// bcast is the best broadcast.
func bcast(g *Group, n int) Time { return min(bcastBinomial(g, n), bcastScatter(g, n)) }

func bcastScatter(g *Group, n int) Time {
	return plus(g.halves(n, g.oneWay), g.swap(n/g.Ranks).times(g.Ranks-1))
}

// bcastBinomial: the first segment goes down the tree; for each further one the
// root sends to all its children, or the host moves it to all its ranks.
func bcastBinomial(g *Group, n int) Time {
	each := min(n, segment)
	next := max(g.Link.Stream.At(each).times(lg(g.Ranks)), g.busy(each).times(g.Most), g.Link.Latency.At(each))
	return pipelined(n, g.down(each), next)
}

// reduceBinomial: a rank takes in a segment from each child in turn.
func reduceBinomial(g *Group, n int) Time {
	each := min(n, segment)
	var first Time
	for d := 1; d < g.Ranks; d *= 2 {
		first = plus(first, g.step(g.level(d), each), g.fold(g.level(d), each))
	}
	next := max(plus(g.Link.Stream.At(each), g.fold(1, each)).times(lg(g.Ranks)),
		plus(g.busy(each).times(g.Most), g.fold(g.Most, each)))
	return pipelined(n, first, next)
}

func reduceHalving(g *Group, n int) Time {
	return plus(g.down(0), g.move(g.Most, n), g.outside(n, true), g.halves(n, g.swapFold), g.star(n>>lgDown(g.Ranks)))
}

// reduceGather has the root fold for all.
func reduceGather(g *Group, n int) Time {
	return plus(g.subtrees(n), g.fold(1, n).times(g.Ranks))
}

// chain passes segments from rank to rank, all at work on different ones.
func (g *Group) chain(n int) Time {
	each := min(n, segment)
	hop := plus(g.step(1, each), g.fold(1, each))
	all := plus(g.busy(each), g.fold(g.Most, each)/Time(g.Most)).times(g.Most)
	return pipelined(n, hop.times(g.Ranks-1), max(hop, all))
}

// star is one rank that sends n bytes to every other, or receives them.
func (g *Group) star(n int) Time {
	others := max(g.Ranks-1, 1)
	return max(plus(g.Link.Latency.At(n), g.Link.Stream.At(n).times(others-1)), g.busy(n).times(others))
}

func allToAllBruck(g *Group, n int) Time {
	round := plus(g.swap(n/2), g.move(g.Most, n/2).times(2))
	return plus(round.times(lg(g.Ranks)), g.move(g.Most, n).times(2))
}

func allToAllPairwise(g *Group, n int) Time {
	block := n / g.Ranks
	rounds := (g.Ranks - 2 + window) / window
	alone := plus(g.Link.Exchange.At(block).times(rounds), g.Link.Stream.At(block).times(2*max(g.Ranks-1-rounds, 0)))
	return plus(max(alone, g.busy(block).times(g.Most*(g.Ranks-1))), g.move(g.Most, block))
}
