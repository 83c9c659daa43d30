package board

import "sync/atomic"

// In a turn of a tree members meet by twos: a node of the tree joins two rows of
// members, and who comes to it second takes both sides' data further up. So nobody waits
// on the way, and what is left to do when the last member comes is its own way up.
//
// A node goes by the first member of its right side, of which there is one node each.
// EnterStage begins the turn, Agree says that all who come are in the same call.

// node counts who has come to a node, in all turns: an odd number says that one is there.
func (b *Board) node(right int) *uint32 { return (*uint32)(b.at(b.tree + right*line)) }

// Awaited tells whether the other side has come to a node.
func (p *Party) Awaited(right int) bool { return atomic.LoadUint32(p.node(right))%2 == 1 }

// Come says that this member's side has. It tells whether the other had.
func (p *Party) Come(right int) (second bool) { return atomic.AddUint32(p.node(right), 1)%2 == 0 }
