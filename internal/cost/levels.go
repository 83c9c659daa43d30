package cost

// hierarchical predicts an operation that goes by boards within nodes and by
// messages among one leader a node (collectives/levels.go).
func (g *Group) hierarchical(op string, n int) (t Time, ok bool) {
	if g.Nodes < 2 || g.Full < 2 {
		return 0, false
	}
	local := Group{Costs: g.Costs, Link: &g.Costs.Shm, Ranks: g.Full, Hosts: 1, Most: g.Most, Board: true}
	among := Group{Costs: g.Costs, Link: g.Link, Ranks: g.Nodes, Hosts: g.Hosts, Most: (g.Nodes + g.Hosts - 1) / g.Hosts}
	within := func(op string, n int) Time {
		t, _ := local.shared(op, n)
		return t
	}
	leaders := func(op string, n int) Time {
		best, _ := among.messages(op, false, n)
		return best.Time
	}
	switch op {
	case "Barrier", "AllReduce":
		return plus(within("Reduce", n), leaders(op, n), within("Bcast", n)), true
	case "Bcast":
		return plus(within(op, n).times(2), leaders(op, n)), true
	case "Reduce":
		return plus(within(op, n), leaders(op, n), local.step(1, n)), true
	case "Gather", "Scatter": // n is a block
		return plus(within(op, n), leaders(op, n*g.Full), local.step(1, n*g.Ranks)), true
	case "AllGather":
		return plus(within("Gather", n/g.Ranks), leaders(op, n), within("Bcast", n)), true
	case "AllToAll": // a leader sorts what its node sends, and what it gets
		return plus(within("Gather", n), leaders(op, n*g.Full), within("Scatter", n), g.move(1, n*g.Full).times(2)), true
	case "ReduceScatter":
		return plus(within("Reduce", n), leaders(op, n), within("Scatter", n/g.Ranks)), true
	}
	return 0, false
}
