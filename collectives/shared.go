package collectives

import (
	"context"
	"errors"

	"gridrun/collectives/internal/algo"
	"gridrun/collectives/internal/onhost"
	"gridrun/internal/board"
	"gridrun/internal/cost"
	"gridrun/internal/engine"
	"gridrun/rt"
)

// sharedName is the algorithm that works in memory which all ranks of the group
// share, for [Algorithm].
const sharedName = cost.Shared

// A plan is how a collective works where ranks share memory.
type plan struct {
	total int       // bytes that one rank writes for the others
	piece int       // bytes that must fit into a stage: an element, or one for every rank
	bytes int       // as docs/algorithms.md counts them; 0: total
	as    engine.Op // the operation, where that is only a part of the call's
	run   func(p *board.Party) error
	// try is for operations whose lengths not all ranks know: it uses the board, or
	// finds out, on all ranks alike, that it cannot.
	try   func(p *board.Party) (done bool, err error)
	lends bool // goroutine ranks lend each other what is long, unless Ordered
	// levels is how it works on a group of several nodes, or nil. Where no costs are
	// known it is taken up to some bytes, with 0 always; leader is what it takes of
	// its leader's memory for each rank of the leader's node.
	levels func(l *engine.Levels, c algo.Net) error
	upTo   int
	leader int
}

// none is for collectives that always go by messages.
var none plan

// count is the bytes that algorithms are chosen by.
func (s plan) count() int { return max(s.bytes, s.total) }

// maxLeader bounds the memory that a node's leader needs for others.
const maxLeader = 256 << 20

// climbs tells whether a call can go by levels: on all ranks, so the fullest node
// decides.
func (s plan) climbs(l *engine.Levels) bool {
	if l == nil || s.levels == nil {
		return false
	}
	for k := range l.Nodes() {
		if s.leader > maxLeader/len(l.Members(k)) {
			return false
		}
	}
	return true
}

// fits tells whether the board can have it.
func (s plan) fits(p *board.Party) bool { return p != nil && s.run != nil && s.piece <= p.Stage }

var errNotShared = errors.New("the algorithm shared is for groups of two ranks and more on one host, operations that have it, and elements that fit")

// sure is the most bytes for which a board is better than messages everywhere: the
// costs are not asked.
const sure = 4 << 10

// way picks one of the ways: sharedName, levelsName, or "" for messages. l are the
// group's levels if it has any. All ranks come to the same.
func (j *job) way(call *engine.Call, p *board.Party, l *engine.Levels, on plan) (string, error) {
	shares, levels := on.fits(p), !j.want.Ordered && on.climbs(l)
	switch name := j.want.Name; {
	case name == sharedName && !shares:
		return "", errNotShared
	case name == levelsName && !levels:
		return "", errNoLevels
	case name == sharedName || name == levelsName:
		return name, nil
	case name != "" || !shares && !levels:
		return "", nil
	}
	op := j.op.String()
	if on.as != engine.OpNone {
		op = on.as.String()
	}
	if name := wishes()[op]; name != "" {
		switch {
		case name == sharedName && shares || name == levelsName && levels:
			return name, nil
		case cost.Suits(op, name, j.want.Ordered):
			return "", nil
		}
	}
	if shares && p.Own { // goroutine ranks have small stages
		if on.total <= p.Stage || on.lends && !j.want.Ordered {
			return sharedName, nil
		}
		return "", nil
	}
	if k := chooserOf(call.Group(), shares); k != nil {
		switch best := k.best(question{op: op, ordered: j.want.Ordered, all: true, bytes: on.count()}); {
		case best == sharedName && shares || best == levelsName && levels:
			return best, nil
		case best != "":
			return "", nil
		}
	}
	switch {
	case shares:
		return sharedName, nil
	case on.upTo == 0 || on.count() <= on.upTo:
		return levelsName, nil
	}
	return "", nil
}

// plain is the group of a call that has nothing to choose: without options or wishes,
// on a group that has its board; else nil.
func plain(g rt.Group, opts []Option) *engine.Comm {
	if g == nil || len(opts) > 0 || len(wishes()) > 0 {
		return nil
	}
	if c := engine.From(g); c.Seated() {
		return c
	}
	return nil
}

// barrier is Barrier on a board, in few steps. Where many ranks share a processor each
// finds its caches cold when its turn comes: of a barrier of 93 ranks on 2 processors a
// fifth was spent on the way to the board.
func barrier(ctx context.Context, c *engine.Comm) error {
	var j job
	j.elem, _ = engine.SignatureOf[struct{}]()
	call, err := c.BeginShared(ctx, engine.OpBarrier, j.signature(), -1)
	if err != nil {
		return err
	}
	p, err := call.Party()
	if err == nil {
		call.Chose(sharedName, 0)
		err = onhost.Barrier(p)
	}
	return call.End(err)
}

// perform runs the collective the way that is best.
func (j *job) perform(call *engine.Call, on plan, body func(c algo.Net) error) error {
	p, err := call.Party()
	if err != nil {
		return err
	}
	var l *engine.Levels
	way := sharedName
	if !on.fits(p) || on.total > min(sure, p.Stage) || j.want.Name != "" || len(wishes()) > 0 { // else there is no question
		if p == nil {
			l = call.Levels()
		}
		if way, err = j.way(call, p, l, on); err != nil {
			return err
		}
	}
	if way == sharedName {
		call.Chose(sharedName, on.total)
		return on.run(p)
	}
	if p != nil && on.try != nil && j.want.Name == "" {
		done, err := on.try(p)
		if done {
			call.Chose(sharedName, on.total)
		}
		if done || err != nil {
			return err
		}
	}
	n := &network{Call: call, part: j.part, board: p != nil}
	if way == levelsName {
		call.Chose(levelsName, on.total)
		if err := call.List(); err != nil {
			return err
		}
		return n.ended(on.levels(l, n))
	}
	if l != nil {
		// Those of this node who are in another call wait on its board.
		if err := j.announce(call, l); err != nil {
			return err
		}
	}
	if err := call.List(); err != nil {
		return err
	}
	if err := call.Announce(); err != nil {
		return err
	}
	return n.ended(body(n))
}
