// Package rundir is where gridrun's running parts of one user find each other:
// a directory on this machine that only this user can enter. A job's launcher
// puts its socket there (for `gridrun ps` and `gridrun stacks`), and so does
// the keeper that `gridrun up` leaves. It is on memory where the system has
// such a place, and what is in it belongs to processes: a socket that nobody
// answers is a leftover of a crash, which Sweep removes.
package rundir
