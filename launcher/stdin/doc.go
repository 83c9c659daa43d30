// Package stdin takes the launcher's standard input to the processes that get it.
// It reads only what some process is about to read, so that what no rank wants
// stays with whoever started gridrun; what one has read and others not yet is
// spooled.
//
// A [Feeder] has one goroutine, which Close joins.
package stdin
