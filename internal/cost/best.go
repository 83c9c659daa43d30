package cost

// A Prediction is an algorithm and its time.
type Prediction struct {
	Name string
	Time Time
}

// Predict is what an algorithm takes for n bytes (counted as docs/algorithms.md
// does); ok is false when the group cannot have it.
func (g *Group) Predict(op, name string, n int) (t Time, ok bool) {
	switch name {
	case Shared:
		if !g.Board {
			return 0, false
		}
		return g.shared(op, n)
	case Hierarchical:
		return g.hierarchical(op, n)
	}
	for i := range entries {
		if e := &entries[i]; e.op == op && e.name == name {
			return plus(g.Call, e.time(g, n)), true
		}
	}
	return 0, false
}

// Names lists the algorithms of an operation that go by messages.
func Names(op string, ordered bool) (names []string) {
	for i := range entries {
		if e := &entries[i]; e.op == op && (e.ordered || !ordered) {
			names = append(names, e.name)
		}
	}
	return names
}

// messages is the fastest algorithm that goes by messages.
func (g *Group) messages(op string, ordered bool, n int) (best Prediction, ok bool) {
	best.Time = Forever + 1
	for i := range entries {
		e := &entries[i]
		if e.op != op || ordered && !e.ordered {
			continue
		}
		if t := plus(g.Call, e.time(g, n)); t < best.Time {
			best, ok = Prediction{e.name, t}, true
		}
	}
	return best, ok
}

// Best is the fastest algorithm for n bytes: among those that go by messages, or,
// with all, also by boards and host by host. ok is false for an operation that is
// not known.
func (g *Group) Best(op string, ordered, all bool, n int) (best Prediction, ok bool) {
	best, ok = g.messages(op, ordered, n)
	if !all || !ok {
		return best, ok
	}
	for _, name := range [...]string{Hierarchical, Shared} {
		if name == Hierarchical && ordered {
			continue
		}
		if t, can := g.Predict(op, name, n); can && t <= best.Time {
			best = Prediction{name, t}
		}
	}
	return best, true
}
