// Package agree lets the members of a group that fails agree on who is left,
// and on a flag, while further members die. It is a pure state machine: no
// lock, no clock, no goroutine; the engine carries its messages and tells it of
// deaths.
//
// The coordinator is the lowest member that nobody calls dead. In order:
//
//  1. Everybody sends it a Vote: whom it knows to be dead, its flag, and the
//     value that it has accepted from an earlier coordinator, if any.
//  2. With the votes of all that live, the coordinator has a value: of those
//     that were accepted before, the one of the latest coordinator; where there
//     is none, all the dead that anybody has named and the conjunction of the
//     flags. It Proposes it.
//  3. Who gets a proposal accepts it and sends Ack.
//  4. With the acks of all that live, the value is decided: Commit tells it.
//  5. When the coordinator dies, the next one says Prepare, and it begins again
//     with step 1. Who has decided answers anything with Commit.
//
// Two members never decide differently: before the first decides, all that live
// have accepted that value, so every later coordinator finds it in a vote. It
// ends as soon as members stop dying, since every death is told to everybody.
// This is two-phase commit with a successor, as in the early-returning agreement
// of ULFM (Herault, Bouteiller, Bosilca et al., SC 2015), with a star for a tree.
//
// Who is called dead by one member is dead for all: the sets travel with every
// message. A member that finds itself among them, because its links have failed
// and not itself, is excluded and says so.
package agree
