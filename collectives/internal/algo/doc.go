// Package algo holds the algorithms of the collectives: how bytes move and
// where they are folded. It knows no element type, no context and no group;
// package collectives turns typed slices into bytes and comes here.
//
//  1. An entry function, such as [AllReduce], asks the table of its operation
//     (choose.go) for an algorithm: by name if the caller gave one, else the
//     first row that accepts the number of ranks and bytes.
//  2. The algorithm, a plain function over [Net], sends and receives whole
//     buffers. All messages between two ranks are matched by their order
//     alone, so a rank that strays from the others' plan meets a message that
//     does not fit instead of waiting for one that never comes.
//  3. Reductions call the [Fold] they are given. Without order it may be
//     applied in any fixed order; algorithms marked inOrder compute
//     ((x0 op x1) op x2) ... and nothing else.
//
// An algorithm ends when this rank's part is done. Whoever runs one must give
// up the whole group when it fails: peers may still wait for messages.
//
// Each works for any number of ranks, for zero bytes, and never relies on a
// Send being buffered. Nothing here starts a goroutine. docs/algorithms.md
// tells steps, bytes and sources.
package algo
