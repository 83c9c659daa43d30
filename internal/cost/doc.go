// Package cost predicts how long the algorithms of collectives take on a machine
// that has been measured, so that the fastest can be chosen.
//
//  1. `gridrun bench calibrate` measures [Costs]: for each layer by which ranks
//     reach each other (memory of one process, shared memory, TCP) curves of time
//     over bytes, and how fast memory is copied and folded. As in PLogP (Kielmann,
//     Bal, Verstoep, "Fast measurement of LogP parameters for message passing
//     platforms", 2000) time is a measured function of length, not a line, so that
//     eager and rendezvous messages need no model of their own.
//  2. They are kept in a file of the user's cache ([Costs.Write], [Read]) together
//     with the machine they are of, and travel to all ranks with the job's start as
//     one line of text ([Costs.String], [Parse]).
//  3. A [Group] of ranks predicts each algorithm as the sum of its rounds
//     (messages.go; Thakur, Rabenseifner, Gropp, "Optimization of collective
//     communication operations in MPICH", 2005): a round takes what its messages
//     take one after the other in a chain, or what all of them together take of
//     their host, if that is more, which is what counts where ranks outnumber cores.
//     What goes through a board is predicted by the visits that each rank must be
//     paid and the bytes that all together move (shared.go).
//  4. [Group.Best] is the arg-min. It must be the same on all ranks, whatever their
//     architecture, so all arithmetic is in whole picoseconds.
//
// The package is pure but for file.go; it starts no goroutines.
package cost
