// Package launch measures how long a parallel job takes from command to exit,
// side by side: gridrun, and Open MPI's and MPICH's launchers where they are
// installed. The job is the smallest that wires up: every rank takes part in one
// barrier (bench/peers/hello.c for the others).
//
//  1. [Find] looks for the others and compiles the C program for each.
//  2. [Times] runs them in turn, A B C A B C, so that a change of the machine's
//     load hits all of them, and takes medians.
//  3. [Memory] lets the ranks stay after the barrier and sums what the kernel
//     says of their memory: shared pages count in parts (PSS).
package launch
