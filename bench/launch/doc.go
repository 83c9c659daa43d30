// Package launch measures how long a parallel job takes from command to exit,
// side by side: gridrun, and Open MPI's and MPICH's launchers where they are
// installed. The job is the smallest that wires up, where every rank takes part
// in one barrier (bench/peers/hello.c for the others), or any one program, such
// as /bin/true, that all of them start. It runs on this machine or on the hosts of
// a hostfile, which is written for each launcher in its own form.
//
//  1. [Find] looks for the others, compiles the C program for each, and writes
//     their hostfiles.
//  2. [Times] starts each once, which is reported apart: gridrun ships its agent
//     then, and the machine reads the others' libraries. After that they run in
//     turn, A B C A B C, so that a change of the machine's load hits all of them;
//     before each round it looks how busy the machine is without us.
//     Where hosts are up, gridrun runs twice, with and without that, and everybody
//     waits before a run until the hosts are ready again for the next.
//  3. [Phases] runs gridrun once more and notes when it tells of each step.
//  4. [Memory] lets the ranks stay after the barrier and sums what the kernel
//     says of their memory: shared pages count in parts (PSS).
//  5. [Kills] kills one of the ranks that stay, and waits until the launcher and
//     every rank are gone.
//  6. [Report.Print] shows the result, and what machine it was on.
//
// A run of another launcher that fails or hangs is counted as lost, and the
// measurement goes on; gridrun's own must not fail.
package launch
