// Package job is the life of a running job as a pure state machine: events in,
// actions out, no goroutine, no clock, no descriptor. The launcher feeds it and
// carries out what it asks for.
//
//	starting  every host's agent has been asked to start its processes
//	running   all agents have answered
//	stopping  there is a cause to end: processes get SIGTERM, the grace period, SIGKILL
//	draining  every process has ended; agents clean up and say so
//	ended     every agent has said so, or is lost
//
// The first failure in cause ends the job, which is not always the first that
// is reported: a rank whose peer died fails too, and its report may overtake
// the peer's. Ranks mark such failures collateral. A collateral failure only
// opens a short wait for the first-hand one; it becomes the cause when none
// comes. [Machine.Result] names the cause once, for all ranks that share it.
//
// Hosts may be reached through others. loss.go tells which of several that are
// lost is to blame.
package job
