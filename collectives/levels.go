package collectives

import (
	"context"
	"errors"

	"gridrun/collectives/internal/algo"
	"gridrun/collectives/internal/onhost"
	"gridrun/internal/board"
	"gridrun/internal/cost"
	"gridrun/internal/engine"
)

// levelsName is the algorithm for groups that span nodes: within each node on
// its board, and by messages among one leader a node. A node is a host.
const levelsName = cost.Hierarchical

var errNoLevels = errors.New("the algorithm hierarchical is for groups of several hosts with several ranks on one, operations that have it, without Ordered, and up to 256 MiB in the memory of a host's first rank")

// on runs a part of the call on one of the group's levels. root is a rank of that
// level, -1: none.
func (j *job) on(ctx context.Context, level *engine.Comm, root int, on plan, body func(c algo.Net) error) error {
	if level == nil {
		return nil
	}
	part := *j
	part.want.Name = ""
	call, err := level.BeginShared(ctx, j.op, j.levelSignature(), root)
	if err != nil {
		return err
	}
	return call.End(part.perform(call, on, body))
}

// announce shows a call that goes by messages to the others of this node.
func (j *job) announce(call *engine.Call, l *engine.Levels) error {
	if l.Local == nil {
		return nil
	}
	k, err := l.Local.BeginShared(call.Context(), j.op, j.levelSignature(), -1)
	if err != nil {
		return err
	}
	_, err = k.Party()
	if err == nil {
		err = k.Announce()
	}
	return k.End(err)
}

// levelSignature also has the root, which is another rank on each level.
func (j *job) levelSignature() engine.Signature {
	return j.signature() + engine.Signature(j.root+1)*2654435761
}

// foldTo leaves the fold of a level's x in its root's, bcast copies it from there.
func (j *job) foldTo(ctx context.Context, level *engine.Comm, root int, b []byte, f algo.Fold) error {
	on := plan{as: engine.OpReduce, lends: true, total: len(b), piece: f.Elem, run: func(p *board.Party) error { return onhost.Reduce(p, root, b, f, false) }}
	return j.on(ctx, level, root, on, func(c algo.Net) error { return algo.Reduce(c, algo.Choice{}, root, b, f) })
}

func (j *job) copyFrom(ctx context.Context, level *engine.Comm, root int, b []byte) error {
	on := plan{as: engine.OpBcast, lends: true, total: len(b), run: func(p *board.Party) error { return onhost.Bcast(p, root, b) }}
	return j.on(ctx, level, root, on, func(c algo.Net) error { return algo.Bcast(c, algo.Choice{}, root, b) })
}

// nothing is the fold of no bytes: who folds nothing only waits for the others.
var nothing = algo.Fold{Elem: 1, Into: func(dst, src []byte) error { return nil }}

// barrierLevels: every node meets at its leader, the leaders meet, and each lets
// its node go. A program's first barrier finds no connections: the leaders then
// meet on a tree, which has a node connect to one other, where dissemination has
// it connect to log2 of their number.
func (j *job) barrierLevels(ctx context.Context, l *engine.Levels) error {
	if err := j.foldTo(ctx, l.Local, 0, nil, nothing); err != nil {
		return err
	}
	var among algo.Choice
	if l.Leaders != nil && l.Leaders.Fresh() {
		among.Name = "tree" // it has the fewest connections to make
	}
	err := j.on(ctx, l.Leaders, -1, none, func(c algo.Net) error { return algo.Barrier(c, among) })
	if err != nil {
		return err
	}
	return j.copyFrom(ctx, l.Local, 0, nil)
}

// allReduceLevels folds within the nodes, then among the leaders.
func (j *job) allReduceLevels(ctx context.Context, l *engine.Levels, b []byte, f algo.Fold) error {
	if err := j.foldTo(ctx, l.Local, 0, b, f); err != nil {
		return err
	}
	err := j.on(ctx, l.Leaders, -1, none, func(c algo.Net) error { return algo.AllReduce(c, algo.Choice{}, b, f) })
	if err != nil {
		return err
	}
	return j.copyFrom(ctx, l.Local, 0, b)
}

// bcastLevels copies within the root's node, then to the other leaders, then
// within the other nodes.
func (j *job) bcastLevels(ctx context.Context, l *engine.Levels, root int, b []byte) error {
	home := l.Node(root)
	if l.Node(j.g.Rank()) == home {
		if err := j.copyFrom(ctx, l.Local, l.Place(root), b); err != nil {
			return err
		}
	}
	if err := j.copyFrom(ctx, l.Leaders, home, b); err != nil {
		return err
	}
	if l.Node(j.g.Rank()) == home {
		return nil
	}
	return j.copyFrom(ctx, l.Local, 0, b)
}

// reduceLevels folds within the nodes, then among the leaders, and the leader of
// the root's node hands the result on. Only the root's b changes.
func (j *job) reduceLevels(ctx context.Context, l *engine.Levels, c algo.Net, root int, b []byte, f algo.Fold) error {
	me := j.g.Rank()
	work := b
	if l.Leaders != nil && me != root {
		work = c.Scratch(len(b))
		copy(work, b)
	}
	if err := j.foldTo(ctx, l.Local, 0, work, f); err != nil {
		return err
	}
	if err := j.foldTo(ctx, l.Leaders, l.Node(root), work, f); err != nil {
		return err
	}
	if l.Place(root) == 0 || l.Node(me) != l.Node(root) {
		return nil
	}
	switch {
	case me == root:
		for leader := range c.Size() {
			if l.Node(leader) == l.Node(root) {
				return c.Recv(leader, b)
			}
		}
	case l.Place(me) == 0:
		return c.Send(root, work)
	}
	return nil
}
