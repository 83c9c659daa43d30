// Package place decides which rank runs on which host: pure functions from
// hosts, a policy and a number of ranks to a [Plan]. It starts nothing.
//
//  1. [ParseHosts] reads `-H a:4,b:2`, and [ParseHostfile] reads a
//     hostfile. Names may hold ranges, node[1-16]; [FoldHosts] writes them back so
//     for messages.
//  2. [Place] gives every rank a host (by slot, by node, so many a host, or as a
//     [Rankfile] says) and gathers the ranks of a host into processes.
//  3. [Plan.Text] is what --dry-run prints, and [ParseRankfile] reads it back:
//     a plan can be printed, edited and run.
package place
