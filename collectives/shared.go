package collectives

import (
	"errors"

	"gridrun/collectives/internal/algo"
	"gridrun/internal/board"
	"gridrun/internal/engine"
)

// sharedName is the algorithm that works in memory which all ranks of the group
// share, for [Algorithm].
const sharedName = "shared"

// A plan is how a collective works on a board.
type plan struct {
	total int // bytes that one rank writes for the others
	piece int // bytes that must fit into a stage: an element, or one for every rank
	run   func(p *board.Party) error
	// levels is how it works on a group of several nodes, or nil.
	levels func(l *engine.Levels, c algo.Net) error
}

// none is for collectives that always go by messages.
var none plan

// suits tells whether to use the board. Goroutine ranks copy long messages from
// one to the other at once, so for them a board is for short ones.
func (s plan) suits(p *board.Party, want algo.Choice) bool {
	if s.run == nil || s.piece > p.Stage {
		return false
	}
	return want.Name == sharedName || want.Name == "" && (!p.Own || s.total <= p.Stage)
}

var errNotShared = errors.New("the algorithm shared is for groups of two ranks and more on one host, operations that have it, and elements that fit")

// perform runs the collective on the group's board where there is one and it
// suits, and by messages elsewhere.
func (j *job) perform(call *engine.Call, on plan, body func(c algo.Net) error) error {
	p, err := call.Party()
	if err != nil {
		return err
	}
	if p != nil && on.suits(p, j.want) {
		call.Chose(sharedName, on.total)
		return on.run(p)
	}
	if j.want.Name == sharedName {
		return errNotShared
	}
	if l := call.Levels(); l != nil {
		if on.levels != nil && !j.want.Ordered && (j.want.Name == "" || j.want.Name == levelsName) {
			call.Chose(levelsName, on.total)
			if err := call.List(); err != nil {
				return err
			}
			return on.levels(l, &network{Call: call, part: j.part})
		}
		// Those of this node who are in another call wait on its board.
		if err := j.announce(call, l); err != nil {
			return err
		}
	}
	if j.want.Name == levelsName {
		return errNoLevels
	}
	if err := call.List(); err != nil {
		return err
	}
	if err := call.Announce(); err != nil {
		return err
	}
	return body(&network{Call: call, part: j.part})
}
