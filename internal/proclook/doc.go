// Package proclook reads from /proc what a process is doing, without its help:
// whether it computes, in which system call it sits and on which file, what it
// has used. It tells a rank that spins from one that a file system holds.
//
//  1. [Processes] is the table of all processes, [Tree] those below one.
//  2. [Memory] is what a process has of the machine's memory.
//  3. [Look] looks at the threads of a tree; two looks, some time apart, make a
//     [State] with [Since]: what a thread was in both times, it has been in.
//
// What the kernel does not let us see (other users' processes, kernels without
// /proc/PID/syscall) is left out. It starts no goroutine.
package proclook
