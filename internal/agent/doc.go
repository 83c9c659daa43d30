// Package agent is the supervisor of one host's ranks. It starts them, carries
// their output, input and control messages, and sees to it that nothing of the
// job outlives the job.
//
// Two processes of gridrun's own binary do this on every host:
//
//	launcher --stdin/stdout--> guard (gridrun __guard)
//	                             `- agent (gridrun __agent)
//	                                  |- process of rank 0, own process group
//	                                  |    `- grandchildren ...
//	                                  |- process of rank 1 ...
//	                                  `- host service (gridrun __hostd), when asked for
//
// Where a job is on the launcher's machine alone, the launcher is the guard
// ([guard.StartOwn]): launcher --stdin/stdout--> agent; unless it has children
// that are not of the job.
//
// The parts: guard (what outlives the agent), command and environ (what a process
// is started with), procio (what flows between agent and process), checkup (a look
// at the host instead of a job). This package is the supervisor that uses them.
//
// How a job passes through:
//
//  1. [guard.Main] starts the agent with its own standard streams, and waits.
//     Where Survey comes instead of Start, the agent tells what the host is like
//     (checkup).
//  2. [Main] reads Start, makes the shared segment and answers Ready.
//  3. Two or more locked threads start the processes in parallel, and the loop
//     looks every 2 ms who has started and who has ended already. A process
//     gets pipes for its output, descriptor 3 (GRIDRUN_CONTROL), a packet
//     socket whose first packet, Welcome, is there before the process runs, and a
//     death signal tied to the starting thread, which lives as long as the agent.
//  4. One goroutine, the supervisor loop, owns all state. Everything else
//     (readers of pipes and sockets, starting threads, the listener) posts
//     functions to it, and what it sends never blocks: the launcher and each
//     process have a queue with a writer of its own.
//     A process that says Attach is told who ends; others are told nothing.
//  5. Output is read only against credit: the agent may have InitialCredit bytes
//     and what the launcher grants on their way. Without credit the pipes fill up
//     and the writers of output wait; control messages go on.
//  6. A process's Exit follows the end of its output and of its control socket;
//     should a grandchild hold these open, 200 ms after the process's death (20 ms
//     where a signal has killed it) what is there is still delivered and the rest
//     given up.
//  7. Stop tells the processes the cause, sends SIGTERM to their groups, and
//     SIGKILL to every descendant after the grace period. End of the launcher's
//     stream, a silence of a lease and a dead guard kill at once.
//  8. When the last process has ended, remaining descendants are killed and
//     reaped, Done is sent and the agent leaves; then the guard does the same for
//     what was reparented to it, and leaves with the agent's code.
//
// The agent decides nothing about the job: it reports, the launcher answers.
//
// Guard, agent, launcher and any rank may be killed, one at a time, and nothing
// is left. Guard and agent killed in the same instant still take the ranks with
// them, but not what the ranks have started.
//
// Goroutines: the loop; the reader and writer of the launcher's stream; the
// starting threads; for each process one reader for stdout, stderr and control
// each, and short-lived writers for its control socket and its input; the
// listener with one goroutine for each connection that has not named its target
// yet. All are joined before Main returns but two: the reader of the launcher's
// stream, which only the end of the process interrupts, and its writer when the
// launcher has not read for two seconds.
package agent
