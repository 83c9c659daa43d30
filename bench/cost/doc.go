// Package cost measures what it costs that ranks are observed: the wait table,
// which is always there, and what --stats and --trace record.
//
// Two jobs in turn would differ by more than that, by where the kernel puts their
// processes and memory. So it is one job, whose ranks switch between the ways
// ([engine.Comm.Observe]) for a millisecond at a time:
//
//  1. The launcher binds each rank to a core of its own where there are enough, and
//     records into /dev/null.
//  2. In each round of the job every way has one slice, in an order that changes
//     from round to round. A slice begins with a barrier; its time is rank 0's,
//     whose last receive ends it.
//  3. What a way costs is the median over the rounds of (its slice's time / that of
//     the way it is compared with), with the 95 % confidence interval of a median.
package cost
