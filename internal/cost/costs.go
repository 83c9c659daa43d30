package cost

// Costs are what a machine was measured to need.
type Costs struct {
	Cores int
	// Copy and Fold are one core's time to copy, or to add up, so many bytes while
	// all cores do the same: in cache at first, then in memory.
	Copy, Fold Curve
	// Call is what a collective costs its rank besides messages.
	Call Time
	// Meet is a meeting on a board of ranks that have a core each, Visit each
	// rank's share of one where they have not: it must run once.
	Meet, Visit Time
	Mem         Layer // goroutine ranks of one process
	Shm         Layer // processes of one host
	TCP         Layer // hosts
}

// A Layer is one way by which ranks reach each other.
type Layer struct {
	// Latency is one message's way, both ends awake.
	Latency Curve
	// Stream is a message's time among many that follow each other.
	Stream Curve
	// Exchange is a round in which two ranks send to each other at once.
	Exchange Curve
	// Crowd is a message's share of a round in which every rank of a host with
	// many more ranks than cores sends one and receives one.
	Crowd Curve
}

// A Group is the ranks of a collective.
type Group struct {
	*Costs
	Link  *Layer // the slowest between any two of them
	Ranks int
	Hosts int
	Most  int // on one host
	// Nodes have shared memory; there are more of them than hosts where ranks of
	// one host use TCP.
	Nodes int
	Full  int  // ranks of the fullest node
	Board bool // all share one
}

// crowded tells whether ranks of a host share cores, or their host's way out.
func (g *Group) crowded() bool { return g.Most > g.Cores || g.Hosts > 1 && g.Most > 1 }

// busy is how long a message keeps its host from the others of a round.
func (g *Group) busy(n int) Time {
	if g.crowded() {
		return g.Link.Crowd.At(n)
	}
	return g.Link.Exchange.At(n) / Time(max(g.Cores, 2))
}

// step is a round in which k ranks of a host send, or receive, one message each.
func (g *Group) step(k, n int) Time {
	return max(g.Link.Latency.At(n), g.busy(n).times(max(k, 1)))
}

// swap is a round in which every rank sends a message and receives one.
func (g *Group) swap(n int) Time {
	return max(g.Link.Exchange.At(n), g.busy(n).times(g.Most))
}

// fold is k ranks of a host each folding n bytes, move each copying them.
func (g *Group) fold(k, n int) Time { return g.share(k, g.Fold.At(n)) }
func (g *Group) move(k, n int) Time { return g.share(k, g.Copy.At(n)) }

// share is what k ranks of a host need to do each what takes a core t.
func (g *Group) share(k int, t Time) Time {
	return t.times(max(k, g.Cores)) / Time(max(g.Cores, 1))
}
