// Package cpuset decides which CPUs of a host each of its processes may use, and knows
// how much of their time it may ([Usable]).
//
//  1. [Allowed] is what the kernel lets this process use: its affinity mask, which
//     a cpuset of its control group narrows.
//  2. [ReadTopology] looks into /sys for the cores and sockets these CPUs belong
//     to. A system that does not say has a core for each CPU, and one socket.
//  3. [Topology.Divide] deals cores or sockets to processes: a pure function. Each
//     gets as many whole cores (or sockets) as the others, or one more.
//  4. [Set.Bind] makes the calling thread, and what it starts from then on, use
//     these CPUs only; [Of] is what the kernel says of a process afterwards.
//
// [Move] only puts the calling thread on another of its CPUs, for ranks that wait.
package cpuset
