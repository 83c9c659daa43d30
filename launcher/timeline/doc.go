// Package timeline makes one picture of what the ranks of a job did: a file in
// Chrome's trace format, which Perfetto and chrome://tracing show. A process of
// the picture is a host, a thread a rank; spans are messages, waits, collective
// calls, reads and the program's own; an arrow leads from the send of a message
// to the receive that took it.
//
//	agent's answers to Clock --> Fit  --> Line      clock.go   one time for all hosts
//	trace.Dump of a rank     --> lanes --> Writer   lanes.go   spans that overlap get threads of their own
//	                                                writer.go  JSON, as it comes; the file is there when it is whole
//
// Everything here is a pure function of what it is given, but for the Writer's
// file. It starts no goroutine.
package timeline
