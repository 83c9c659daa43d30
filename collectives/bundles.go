package collectives

import (
	"context"
	"fmt"

	"gridrun/collectives/internal/algo"
	"gridrun/collectives/internal/onhost"
	"gridrun/internal/board"
	"gridrun/internal/engine"
)

// GatherV and ScatterV between nodes. Only the root knows all lengths, so what goes
// from node to node is a bundle, which has them; and whether a node's blocks are
// short enough for one is settled within the node, or by the root, and said with an
// empty message: the blocks then go one by one.

// Up to which block GatherV and ScatterV bundle, where it also must fit into a stage.
const bundled = 16 << 10

// gatherVLevels: each node's first rank sends root a bundle.
func (j *job) gatherVLevels(ctx context.Context, l *engine.Levels, c algo.Net, root int, x, all []byte, off []int) error {
	me := j.g.Rank()
	home := l.Node(root)
	at := 0 // who bundles: on the root's node the root
	if l.Node(me) == home {
		at = l.Place(root)
	}
	b, one, err := j.bundle(ctx, l, at, x)
	if err != nil {
		return err
	}
	if me != root {
		if l.Place(me) == at && l.Node(me) != home {
			if err := c.Send(root, b); err != nil {
				return err
			}
		}
		if one {
			return nil
		}
		return c.Send(root, x)
	}
	var singly []algo.Part // what comes one by one
	for i := range l.Nodes() {
		from := b
		if i != home {
			if from, err = c.RecvBytes(l.Members(i)[0]); err != nil {
				return err
			}
		}
		if len(from) == 0 {
			for _, r := range l.Members(i) {
				if r == root {
					copy(all[off[r]:off[r+1]], x)
					continue
				}
				singly = append(singly, algo.Part{Peer: r, Bytes: all[off[r]:off[r+1]]})
			}
			continue
		}
		parts, err := onhost.Unpack(from, len(l.Members(i)))
		if err != nil {
			return err
		}
		for k, r := range l.Members(i) {
			if err := j.fill(r, all[off[r]:off[r+1]], parts[k]); err != nil {
				return err
			}
		}
	}
	return algo.Transfer(c, nil, singly)
}

// bundle brings the blocks of this rank's node to the one at place at, unless one of
// them is too long: then one is false on all of them.
func (j *job) bundle(ctx context.Context, l *engine.Levels, at int, x []byte) (b []byte, one bool, err error) {
	if l.Local == nil {
		if one = len(x) <= bundled; one {
			b = onhost.Pack([][]byte{x})
		}
		return b, one, nil
	}
	on := plan{try: func(p *board.Party) (bool, error) {
		var err error
		b, one, err = onhost.Bundle(p, at, x, bundled)
		return one, err
	}}
	err = j.on(ctx, l.Local, at, on, func(c algo.Net) error { return nil })
	return b, one, err
}

// scatterVLevels: the root sends each node's first rank a bundle.
func (j *job) scatterVLevels(ctx context.Context, l *engine.Levels, c algo.Net, root int, all []byte, off []int, x []byte) error {
	me := j.g.Rank()
	node := l.Node(me)
	at := 0
	if node == l.Node(root) {
		at = l.Place(root)
	}
	var parts [][]byte // of this node, on the one that hands them out
	if me == root {
		var bundles, singly []algo.Part
		for i := range l.Nodes() {
			mine, longest := make([][]byte, 0, len(l.Members(i))), 0
			for _, r := range l.Members(i) {
				mine = append(mine, all[off[r]:off[r+1]])
				longest = max(longest, off[r+1]-off[r])
			}
			var b []byte
			switch {
			case longest > bundled:
				for k, r := range l.Members(i) {
					if r != root {
						singly = append(singly, algo.Part{Peer: r, Bytes: mine[k]})
					}
				}
			case i == node:
				parts = mine
			default:
				b = onhost.Pack(mine)
			}
			if i != node {
				bundles = append(bundles, algo.Part{Peer: l.Members(i)[0], Bytes: b})
			}
		}
		if err := algo.Transfer(c, bundles, nil); err != nil {
			return err
		}
		if _, err := j.handOut(ctx, l, at, parts, x); err != nil {
			return err
		}
		copy(x, all[off[root]:off[root+1]])
		return algo.Transfer(c, singly, nil)
	}
	if l.Place(me) == at {
		b, err := c.RecvBytes(root)
		if err != nil {
			return err
		}
		if len(b) > 0 {
			if parts, err = onhost.Unpack(b, len(l.Members(node))); err != nil {
				return err
			}
		}
	}
	if done, err := j.handOut(ctx, l, at, parts, x); done || err != nil {
		return err
	}
	return c.Recv(root, x)
}

// handOut gives the ranks of this node their parts, which the one at place at has;
// done is false on all of them if that has none.
func (j *job) handOut(ctx context.Context, l *engine.Levels, at int, parts [][]byte, x []byte) (done bool, err error) {
	if l.Local == nil {
		if parts == nil {
			return false, nil
		}
		return true, j.fill(j.g.Rank(), x, parts[0])
	}
	var all []byte
	var off []int
	if parts != nil {
		off = []int{0}
		for _, part := range parts {
			all = append(all, part...)
			off = append(off, len(all))
		}
	}
	on := plan{try: func(p *board.Party) (bool, error) {
		var err error
		done, err = onhost.ScatterV(p, at, all, off, x)
		return done, err
	}}
	err = j.on(ctx, l.Local, at, on, func(c algo.Net) error { // they do not fit into a stage, or there are none
		if c.Rank() == at {
			if done = parts != nil; done {
				copy(x, parts[at])
			}
			return each(c, parts)
		}
		b, err := c.RecvBytes(at)
		if done = len(b) > 0; !done || err != nil {
			return err
		}
		got, err := onhost.Unpack(b, 1)
		if err != nil {
			return err
		}
		return j.fill(j.g.Rank(), x, got[0])
	})
	return done, err
}

// each sends every other rank of a node its part as a bundle, or nothing.
func each(c algo.Net, parts [][]byte) error {
	var out []algo.Part
	for k := range c.Size() {
		if k == c.Rank() {
			continue
		}
		var b []byte
		if parts != nil {
			b = onhost.Pack(parts[k : k+1])
		}
		out = append(out, algo.Part{Peer: k, Bytes: b})
	}
	return algo.Transfer(c, out, nil)
}

// fill copies the block of rank r to where it belongs.
func (j *job) fill(r int, dst, block []byte) error {
	if len(dst) != len(block) {
		return fmt.Errorf("%w: %s has %d bytes for rank %d where %d are expected", engine.ErrMismatch, j.op, len(block), r, len(dst))
	}
	copy(dst, block)
	return nil
}
