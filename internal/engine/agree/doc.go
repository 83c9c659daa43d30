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
// message, and count even if their sender is called dead itself: two members whose
// link has failed accuse each other, and others that believed one of them each would
// follow two coordinators that wait for each other's followers. A member that finds
// itself among the dead, because its links have failed and not itself, is excluded
// and says so.
//
// # Who may say what, and forget what
//
// What the machine takes for granted, and the engine sees to:
//
//   - A death is told to every member that lives, sooner or later, and a message
//     that a member has sent before its end either comes before that news or not
//     at all.
//   - Whoever the supervisor (its agent, the launcher) calls dead is dead for all,
//     soon. Its process may live on for a moment, and then sees the others close
//     their links to it: that is no sign that they are dead, and an accusation that
//     reached a third member before the supervisor's word would exclude one that
//     lives. So a rank that has failed, or is called dead where it runs, sends
//     nothing more, and of what comes from one that the supervisor has called dead
//     only Commit counts: an outcome is one whoever tells it.
//   - A machine is kept after its end, for a member whose coordinator has died asks
//     how it ended. With a group's agreements numbered in the order in which all
//     members begin them, number k may be forgotten by a member when it begins k+2
//     and has decided k+1: the decision says that everybody has begun k+1 or is
//     dead, and who has begun k+1 waits for k no more. (One who has left k+1
//     undecided, as its ctx had ended, keeps k: others may still be in it.) A group
//     may be closed before; its agreements outlive it.
//   - Who asks about a forgotten one was called dead by the agreement after it, and
//     is answered that it is excluded. What says the same of the answerer is not
//     answered, nor is Commit: no two answer each other for ever.
//   - Revoking a group ends what waits in it and lets agreements pass: they are how
//     its members leave it. Shrink is an agreement on the dead; the new group's id
//     follows from the old one's and the agreement's number, so two members have the
//     same group if they have the same outcome.
package agree
