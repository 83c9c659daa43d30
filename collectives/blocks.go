package collectives

import (
	"context"

	"gridrun/collectives/internal/algo"
	"gridrun/collectives/internal/onhost"
	"gridrun/internal/board"
	"gridrun/internal/engine"
)

// Operations on blocks between nodes: the leader of a node brings together what
// its ranks have for another node, so that one message goes from node to node where
// there would be one for each pair of ranks.

// Up to which block operations go by levels where no costs are known; measured
// with 32 ranks on 4 hosts (docs/benchmarks.md).
const (
	gatherByLevels   = 32 << 10
	scatterByLevels  = 256 << 10
	allToAllByLevels = 64 << 10
)

// gatherAt leaves the blocks of a level's ranks in all of its root.
func (j *job) gatherAt(ctx context.Context, level *engine.Comm, root int, x, all []byte) error {
	if level == nil {
		copy(all, x)
		return nil
	}
	on := plan{as: engine.OpGather, total: len(x), run: func(p *board.Party) error { return onhost.Gather(p, root, x, all) }}
	return j.on(ctx, level, root, on, func(c algo.Net) error { return algo.Gather(c, algo.Choice{}, root, x, all) })
}

// scatterAt gives a level's ranks their blocks of its root's all.
func (j *job) scatterAt(ctx context.Context, level *engine.Comm, root int, all, x []byte) error {
	if level == nil {
		copy(x, all)
		return nil
	}
	on := plan{as: engine.OpScatter, total: len(x), run: func(p *board.Party) error { return onhost.Scatter(p, root, all, x) }}
	return j.on(ctx, level, root, on, func(c algo.Net) error { return algo.Scatter(c, algo.Choice{}, root, all, x) })
}

// A packing is the blocks of all ranks in the order of nodes.
type packing struct {
	l     *engine.Levels
	ranks []int // where the blocks are in the order of ranks, and the end
	off   []int // where the blocks of each node begin, and the end
	// straight: that is the order of ranks
	straight bool
}

func packed(l *engine.Levels, ranks []int) packing {
	k := packing{l: l, ranks: ranks, off: make([]int, l.Nodes()+1), straight: true}
	next, at := 0, 0
	for i := range l.Nodes() {
		for _, r := range l.Members(i) {
			k.straight = k.straight && r == next
			next++
			at += k.size(r)
		}
		k.off[i+1] = at
	}
	return k
}

// size is a rank's block.
func (k packing) size(r int) int { return k.ranks[r+1] - k.ranks[r] }

// within is where the blocks of a node's ranks are among those, and the end.
func (k packing) within(node int) []int {
	off := []int{0}
	for i, r := range k.l.Members(node) {
		off = append(off, off[i]+k.size(r))
	}
	return off
}

// pack copies blocks from the order of ranks to that of nodes, unpack back.
func (k packing) pack(dst, ranks []byte) {
	k.each(func(at, r int) { copy(dst[at:], ranks[k.ranks[r]:k.ranks[r+1]]) })
}

func (k packing) unpack(ranks, src []byte) {
	k.each(func(at, r int) { copy(ranks[k.ranks[r]:k.ranks[r+1]], src[at:]) })
}

// each visits the place of every rank's block.
func (k packing) each(visit func(at, r int)) {
	at := 0
	for i := range k.l.Nodes() {
		for _, r := range k.l.Members(i) {
			visit(at, r)
			at += k.size(r)
		}
	}
}

// gatherLevels: each leader sends the root its node's blocks as one message; on the
// root's node that is the root's own.
func (j *job) gatherLevels(ctx context.Context, l *engine.Levels, c algo.Net, root int, x, all []byte) error {
	me, n := j.g.Rank(), len(x)
	k, node, at := packed(l, algo.Even(n, j.g.Size())), l.Node(me), 0
	if node == l.Node(root) {
		at = l.Place(root)
	}
	var whole, mine []byte
	switch {
	case me == root:
		whole = all
		if !k.straight {
			whole = c.Scratch(len(all))
		}
		mine = whole[k.off[node]:k.off[node+1]]
	case l.Place(me) == at:
		mine = c.Scratch(k.off[node+1] - k.off[node])
	}
	if err := j.gatherAt(ctx, l.Local, at, x, mine); err != nil || mine == nil && n > 0 {
		return err
	}
	if me != root {
		if l.Place(me) != at {
			return nil
		}
		return c.Send(root, mine)
	}
	if err := algo.Transfer(c, nil, k.others(node, whole)); err != nil || k.straight {
		return err
	}
	k.unpack(all, whole)
	return nil
}

// others lists the blocks of all nodes but one, with their leaders.
func (k packing) others(node int, whole []byte) (parts []algo.Part) {
	for i := range k.l.Nodes() {
		if i != node {
			parts = append(parts, algo.Part{Peer: k.l.Members(i)[0], Bytes: whole[k.off[i]:k.off[i+1]]})
		}
	}
	return parts
}

// scatterLevels is gatherLevels backwards.
func (j *job) scatterLevels(ctx context.Context, l *engine.Levels, c algo.Net, root int, all, x []byte) error {
	me, n := j.g.Rank(), len(x)
	k, node, at := packed(l, algo.Even(n, j.g.Size())), l.Node(me), 0
	if node == l.Node(root) {
		at = l.Place(root)
	}
	var mine []byte
	switch {
	case me == root:
		whole := all
		if !k.straight {
			whole = c.Scratch(len(all))
			k.pack(whole, all)
		}
		if err := algo.Transfer(c, k.others(node, whole), nil); err != nil {
			return err
		}
		mine = whole[k.off[node]:k.off[node+1]]
	case l.Place(me) == at:
		mine = c.Scratch(k.off[node+1] - k.off[node])
		if err := c.Recv(root, mine); err != nil {
			return err
		}
	}
	return j.scatterAt(ctx, l.Local, at, mine, x)
}

// gatherAtV is gatherAt for blocks that off bounds.
func (j *job) gatherAtV(ctx context.Context, level *engine.Comm, root int, x, all []byte, off []int) error {
	if level == nil {
		copy(all, x)
		return nil
	}
	on := plan{as: engine.OpGatherV, try: func(p *board.Party) (bool, error) { return onhost.GatherV(p, root, x, all, off) }}
	return j.on(ctx, level, root, on, func(c algo.Net) error { return algo.GatherV(c, algo.Choice{}, root, x, all, off) })
}

// allGatherLevels: the leaders exchange the blocks of their nodes; off bounds them
// all. Equal blocks may be of any length, others are tried in stages first.
func (j *job) allGatherLevels(ctx context.Context, l *engine.Levels, c algo.Net, x, all []byte, off []int, equal bool) error {
	all = all[:off[len(off)-1]]
	var k packing
	var whole, mine []byte
	node := l.Node(j.g.Rank())
	if l.Leaders != nil {
		k, whole = packed(l, off), all
		if !k.straight {
			whole = c.Scratch(len(all))
		}
		mine = whole[k.off[node]:k.off[node+1]]
	}
	var err error
	if equal || l.Local == nil {
		err = j.gatherAt(ctx, l.Local, 0, x, mine)
	} else {
		err = j.gatherAtV(ctx, l.Local, 0, x, mine, packing{l: l, ranks: off}.within(node))
	}
	if err != nil {
		return err
	}
	err = j.on(ctx, l.Leaders, -1, none, func(c algo.Net) error { return algo.AllGather(c, algo.Choice{}, mine, whole, k.off) })
	if err != nil {
		return err
	}
	if l.Leaders != nil && !k.straight {
		k.unpack(all, whole)
	}
	return j.copyFrom(ctx, l.Local, 0, all)
}

// allToAllLevels: a leader sends the leader of each other node all that its ranks
// have for the ranks there.
func (j *job) allToAllLevels(ctx context.Context, l *engine.Levels, c algo.Net, out, in []byte) error {
	me, p := j.g.Rank(), j.g.Size()
	n, size := len(out)/p, len(out)
	s := len(l.Members(l.Node(me)))
	var brought []byte // by the ranks of this node, in their order
	if l.Leaders != nil {
		brought = c.Scratch(s * size)
	}
	if err := j.gatherAt(ctx, l.Local, 0, out, brought); err != nil {
		return err
	}
	if l.Leaders != nil {
		// To each node: for each rank here the blocks for those there.
		there, got, off := c.Scratch(s*size), c.Scratch(s*size), make([]int, l.Nodes()+1)
		at := 0
		for i := range l.Nodes() {
			for m := range s {
				for _, r := range l.Members(i) {
					at += copy(there[at:at+n], brought[m*size+r*n:])
				}
			}
			off[i+1] = at
		}
		err := j.on(ctx, l.Leaders, -1, none, func(c algo.Net) error { return algo.AllToAllV(c, there, off, got, off) })
		if err != nil {
			return err
		}
		at = 0
		for i := range l.Nodes() {
			for _, r := range l.Members(i) {
				for m := range s {
					at += copy(brought[m*size+r*n:m*size+(r+1)*n], got[at:])
				}
			}
		}
	}
	return j.scatterAt(ctx, l.Local, 0, brought, in)
}

// reduceScatterLevels folds within the nodes, has each leader fold what belongs to
// its node, and hands that out.
func (j *job) reduceScatterLevels(ctx context.Context, l *engine.Levels, c algo.Net, x, part []byte, f algo.Fold) error {
	work := x
	if l.Leaders != nil {
		work = c.Scratch(len(x))
		copy(work, x)
	}
	if err := j.foldTo(ctx, l.Local, 0, work, f); err != nil {
		return err
	}
	var mine []byte
	if l.Leaders != nil {
		k, node := packed(l, algo.Even(len(part), j.g.Size())), l.Node(j.g.Rank())
		if !k.straight {
			whole := c.Scratch(len(x))
			k.pack(whole, work)
			work = whole
		}
		err := j.on(ctx, l.Leaders, -1, none, func(c algo.Net) error { return algo.ReduceScatterV(c, work, k.off, f) })
		if err != nil {
			return err
		}
		mine = work[k.off[node]:k.off[node+1]]
	}
	return j.scatterAt(ctx, l.Local, 0, mine, part)
}
