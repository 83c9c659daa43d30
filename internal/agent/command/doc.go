// Package command makes of what the launcher wants started the command line of a
// process on this host: a built-in job (gridrun itself), a program by its path or
// in $PATH, and the --wrap command before it. [Explain] turns the error of a start
// that failed into what the user can mend, and [SignalWrapped] sends a signal to
// whom it is meant for, wrapper or program.
package command
