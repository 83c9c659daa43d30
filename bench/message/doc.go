// Package message measures messages and collectives, side by side with Open MPI
// and MPICH where they are installed.
//
// The tests are those of the field's usual suites: between two ranks latency
// (half a round trip), bandwidth (windows of 64 messages, then an
// acknowledgement), the same in both directions, and the rate of all pairs
// (rank i with rank i + n/2), and how long a peer that computes holds a transfer up
// (busy.go); and every collective, reductions also of other types than float64 and
// with other operations than the sum (typed.go). bench/peers/message.c has the same
// loops in C.
//
//  1. A contender's program is started with all tests and sizes ([Job] for
//     gridrun). For each it runs operations for a tenth of its budget to warm up,
//     where one is short, and decides by the fastest of them how many make a sample
//     (50 us or one operation) and how many samples fit its budget.
//  2. A sample is so many operations in a row after a barrier; its time is that of
//     the slowest rank. Roots of rooted operations go round.
//  3. Rank 0 prints a row for each test and size: least, median and percentiles.
//  4. [Compare] starts the contenders in turn, A B C A B C, and takes the median of
//     the runs' medians. Ratios are of these.
//
// Goroutine ranks, of which the peers have none, are compared with Go's channels
// (channel.go).
package message
