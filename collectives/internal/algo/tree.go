package algo

// A tree is this rank's place in the binomial tree of a group. Ranks are
// renumbered so that the root is 0; the parent of v is v without its lowest
// bit, and the subtree of v is [v, end).
type tree struct {
	p, root int
	v       int // this rank, counted from the root
	end     int
	span    int // lowest bit of v; for the root the power of two not below p
}

func treeOf(c Net, root int) tree {
	t := tree{p: c.Size(), root: root}
	t.v = (c.Rank() - root + t.p) % t.p
	t.span = t.v & -t.v
	if t.v == 0 {
		t.span = 1
		for t.span < t.p {
			t.span *= 2
		}
	}
	t.end = min(t.v+t.span, t.p)
	return t
}

// rank returns the group's number of tree rank v.
func (t tree) rank(v int) int { return (v + t.root) % t.p }

func (t tree) isRoot() bool { return t.v == 0 }

// parent is for ranks other than the root.
func (t tree) parent() int { return t.rank(t.v & (t.v - 1)) }

// A child roots the subtree [v, end).
type child struct{ rank, v, end int }

// children lists the children, smallest subtree first.
func (t tree) children() []child {
	var kids []child
	for m := 1; m < t.span && t.v+m < t.p; m *= 2 {
		v := t.v + m
		kids = append(kids, child{rank: t.rank(v), v: v, end: min(v+m, t.p)})
	}
	return kids
}

// toAll lists one part for every child, the largest subtree first because it
// has the longest way to go.
func toAll(kids []child, x []byte) []Part {
	parts := make([]Part, 0, len(kids))
	for i := len(kids) - 1; i >= 0; i-- {
		parts = append(parts, Part{Peer: kids[i].rank, Bytes: x})
	}
	return parts
}

// climb sends empty messages up the tree, children before parents. Algorithms
// that are chosen where a shorter buffer would go up the same tree begin with
// it: a rank that disagrees about the length, and so about the algorithm, is
// then noticed by its parent or its children. Otherwise all could end up
// waiting, each for a rank that follows the other plan.
func climb(c Net, root int) error {
	t := treeOf(c, root)
	for _, kid := range t.children() {
		if err := c.Recv(kid.rank, nil); err != nil {
			return err
		}
	}
	if t.isRoot() {
		return nil
	}
	return c.Send(t.parent(), nil)
}
