// Package collectives has the operations that every rank of a group takes part
// in: barriers, broadcasts, reductions, gathers, exchanges and scans over slices
// of any element type without pointers.
//
// All ranks of a group call the same collectives in the same order, with the
// same root, lengths where the operation asks it, and options. Collectives on
// different groups may run at the same time. Slices of one call must not share
// memory, except that the x of a gather or scatter may be its own place in all.
//
// # How a call works
//
//  1. The call checks its arguments (job.go). What can be seen to be wrong on
//     this rank is an error that names the argument, before anything is sent.
//  2. It begins an engine.Call on the group, which numbers the operation, so
//     that concurrent ones never meet. Operation and root travel with every
//     message, and so does the element's signature, into which lengths and
//     options are mixed (they decide which algorithm runs): a rank that
//     disagrees is found out by the first message it exchanges.
//  3. Typed slices become bytes and the operation a fold over bytes; package
//     algo picks an algorithm by size and runs it. docs/algorithms.md has them
//     all, with their names for [Algorithm].
//  4. The call ends. One that failed, on any rank, for whatever reason, revokes
//     the group: all its members get the same cause, now or in their next call,
//     and nobody is left waiting. The contents of buffers are then undefined.
//
// On one host the second rank to arrive sees a disagreement. Where a call goes by
// messages, one that no message shows cannot be reported: a rank that names
// another root in a Bcast may hear from nobody at all. If all ranks wait, the
// job's wait table says who is in which call, and with which root.
//
// # Results
//
// AllReduce gives every rank the same bits, always. Repeated with the same
// number of ranks, lengths and options any reduction gives the same bits again.
// With [Ordered] the result is that of a loop over the ranks,
// ((x0 op x1) op x2) ..., whatever the length, the root and the algorithm.
//
// [Start] has a goroutine for each operation under way, which ends with it;
// nothing else starts any.
package collectives
