// Package onhost has the collectives of ranks that share memory: a board (see
// internal/board). A rank writes what it brings once, and the others read it
// there: no messages, no matching, and no more turns of the scheduler than the
// operation needs.
//
//	up to 48 bytes     in the posts; the last to arrive folds for all, or, where
//	                   there are few, everybody does
//	up to a stage      in the stages; the last to arrive folds while that is
//	                   little work, else everybody folds a slice, or, with more
//	                   ranks than processors, who comes later folds (tree.go)
//	longer             pieces of a stage, one after the other: while a rank folds
//	                   its slice of one, the next is written
//	longer still       reductions of many ranks go round in rings (ring.go)
//
// Where not all ranks know the lengths (vary.go) the board is taken if everybody's
// data fit into a stage.
//
// Goroutine ranks of one process have short stages, and lend each other what is
// longer (lend.go).
//
// All folds have the order of the ranks when asked to; without that they begin
// with the rank that folds, or whose part of a ring it is, or follow a tree. All this
// is fixed by the number of ranks, bytes and processors, so results are the same to
// the bit when repeated, and on all ranks.
//
// Memory is bounded: two stages a rank, whatever the length.
package onhost
