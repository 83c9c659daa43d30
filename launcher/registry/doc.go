// Package registry is where a user's running jobs are found, from another
// terminal: each gridrun listens on JOBID.job in the user's runtime directory
// (internal/rundir) and answers two questions, what the job is and uses
// ([Summary]), and what its ranks do.
//
//  1. [Listen] makes the socket, mode 0600, in a directory that is the user's
//     alone. Who connects is asked for by the kernel (SO_PEERCRED): another
//     user, whatever the modes say, hears nothing.
//  2. A connection carries one request, a line of JSON of at most 4 KiB, and one
//     reply, JSON until the end of the stream.
//  3. [List] asks all jobs at once, and removes the sockets of launchers that
//     were killed; [Find] completes the start of a job's id. Who waits for an
//     answer looks whether the launcher is stopped (Ctrl-Z), and does not wait then.
//
// A server has one goroutine that accepts and at most 16 that answer; Close joins
// them. A stranger can make none of them wait longer than some seconds.
package registry
