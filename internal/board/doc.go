// Package board is memory that the ranks of a group on one host share, and the
// discipline by which they use it for collectives: what one rank has to say it
// writes there once, and the others read it.
//
//	control   who has closed, who sleeps
//	rounds    for each of 4: arrivals, the call they are in, release and result
//	ring      for each member the steps that it has done in rings
//	tree      for each node of a binary tree over the members who has come to it
//	posts     for each member 4 lines: turn, call, up to 48 bytes
//	results   two buffers of a stage's size
//	pipe      8 slots through which a root's data flow to all
//	stages    for each member two buffers
//
// # Turns
//
// A collective is one or more turns; all members number them alike, because all
// make the same calls. In a turn a member
//
//  1. makes sure that nobody still reads what it is about to overwrite: a post is
//     used again after 4 turns, a stage after 2, so everybody must have arrived in
//     the turn 3, or 1, before this one. After a turn in which all waited for all
//     it knows that without a look.
//  2. writes its data, then its post: the call it is in, a few bytes, the turn.
//     The call is compared with the others' (operation, root, signature of type,
//     lengths and options), so that ranks that disagree are found when the second
//     of them arrives.
//  3. waits for what it needs: everybody ([Party.Meet]), or one member's post.
//  4. reads. It may do so until it arrives in its next turn.
//
// Members that are goroutines of one process may lend each other memory of their
// own ([Party.Lend]): from a turn's meeting on the others read it, and the lender
// takes it back after another meeting.
//
// In a turn of rings ([Party.Ring]) stages of several members are one accumulator,
// on whose parts the members work by turns: each waits for the one before it.
//
// In a turn of a tree members meet by twos, and who comes second folds: nobody waits
// but for the end.
//
// Up to 4 members look at each other's posts: the way from one rank to another
// is one cache line. More of them count their arrivals in one word, and the last
// to arrive releases the others: with more ranks than processors everyone then
// needs to run twice and no more, while log2(n) rounds of messages would need as
// many turns of the scheduler.
//
// # Sleep and death
//
// Party waits through a [Host], which may put the goroutine to sleep. A sleeper
// sets its bit, then looks again; who changes a word that others may wait for
// then looks at the bits. All words are accessed by sync/atomic, whose accesses
// have one order that all processes agree on, so one of the two sees the other.
// Waits for members that have died are the Host's to end.
//
// The package starts no goroutines and knows no transport.
package board
