// Package trace is the memory in which a rank notes what it does: counters for
// --stats and events for --trace. The memory is made by the host's agent and
// shared with the rank's process, so that what a killed rank has noted is there
// all the same, and nobody waits for a rank to hand it over.
//
//	agent    New file of Size(events) bytes a rank, inherited by the process
//	rank     Attach: a Recorder; the engine, collectives and lram note in it
//	agent    when the process has ended: Head and Ring of each rank, as bytes
//	launcher Decode: a Dump
//
// What a rank has:
//
//	+--------------------------------------------+---------------------------+
//	| head: messages and bytes by operation and  | ring: the newest events,  |
//	| class of pair, blocked time, longest waits,| 64 bytes each, none       |
//	| reads, names                               | without --trace           |
//	+--------------------------------------------+---------------------------+
//
// # What it costs
//
// Messages are counted where the engine holds the rank's lock anyway, with plain
// additions; time is read only when a wait has outlived its polling phase, or for
// events. A rank that nothing observes has a nil *Recorder. Memory that nobody
// touches takes none: an idle rank's head is a page, its ring nothing.
//
// # Who writes
//
// [Recorder.Sent] and [Recorder.Called] are the rank's lock holder's; everything
// else takes the Recorder's own lock. An event's Commit is written last and tells
// its number, so a reader knows an event that was cut short by the rank's death.
package trace
