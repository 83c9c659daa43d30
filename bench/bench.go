// Package bench holds the C programs that measure other launchers, MPICH's and
// Open MPI's, on the same tasks as gridrun; its rooms are the measurements.
package bench

import _ "embed"

// Hello is a C program of one barrier; its argument "park" makes it stay.
//
//go:embed peers/hello.c
var Hello string

// Message is a C program with the loops of bench/message.
//
//go:embed peers/message.c
var Message string

// Threads is a C program without MPI, the floor of some of these loops.
//
//go:embed peers/threads.c
var Threads string
