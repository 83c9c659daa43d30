package collectives

import (
	"os"
	"sync"
	"sync/atomic"

	"gridrun/internal/cost"
	"gridrun/internal/engine"
)

// CostsVariable holds what the machine was measured to need (gridrun bench
// calibrate); gridrun sets it to the same for all ranks. Without it the switch
// points are those that are built in.
const CostsVariable = "GRIDRUN_COST_FIGURES"

// AlgorithmVariable, set to the same for all ranks (gridrun --algorithm does it),
// is AllReduce=ring,Bcast=shared: algorithms for calls that do not name one.
// Groups that cannot have it choose as they would without.
const AlgorithmVariable = "GRIDRUN_ALGORITHM"

// costs are nil where nothing has been measured; gridrun has checked the text.
var costs = sync.OnceValue(func() *cost.Costs {
	text := os.Getenv(CostsVariable)
	if text == "" {
		return nil
	}
	c, err := cost.Parse(text)
	if err != nil {
		return nil
	}
	return c
})

var wishes = sync.OnceValue(func() cost.Wishes {
	w, err := cost.ParseWishes(os.Getenv(AlgorithmVariable))
	if err != nil {
		return nil
	}
	return w
})

// A chooser decides for one group. All ranks have the same figures and the same
// view of the group, so they decide alike.
type chooser struct {
	group cost.Group
	made  [32]atomic.Pointer[decision]
}

type decision struct {
	question
	cost.Prediction
}

// A question is what is to be decided: the fastest algorithm of an operation, of
// all or of those that go by messages.
type question struct {
	op           string
	ordered, all bool
	bytes        int
}

type chooserKey struct{}

// chooserOf is the group's chooser, nil without costs.
func chooserOf(g *engine.Comm, board bool) *chooser {
	c := costs()
	if c == nil {
		return nil
	}
	return g.Attached(chooserKey{}, func() any {
		s := g.Spread()
		k := &chooser{group: cost.Group{Costs: c, Link: &c.Shm, Ranks: g.Size(), Hosts: s.Hosts, Most: s.Most, Nodes: s.Nodes, Full: s.Fullest, Board: board}}
		switch {
		case s.OneProcess:
			k.group.Link = &c.Mem
		case s.Nodes > 1:
			k.group.Link = &c.TCP
		}
		return k
	}).(*chooser)
}

// best answers a question; what was asked before it remembers.
func (k *chooser) best(q question) string {
	slot := &k.made[(uint(q.bytes)*31+uint(len(q.op))*7+uint(q.op[0]))%uint(len(k.made))]
	if d := slot.Load(); d != nil && d.question == q {
		return d.Name
	}
	p, _ := k.group.Best(q.op, q.ordered, q.all, q.bytes)
	slot.Store(&decision{q, p})
	return p.Name
}

// Best implements algo.Chooser.
func (n *network) Best(op string, ordered bool, bytes int) string {
	if name := wishes()[op]; name != "" && cost.Suits(op, name, ordered) {
		return name
	}
	k := chooserOf(n.Group(), n.board)
	if k == nil {
		return ""
	}
	return k.best(question{op: op, ordered: ordered, bytes: bytes})
}
