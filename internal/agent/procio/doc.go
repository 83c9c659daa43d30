// Package procio is what flows between an agent and one of its processes: output,
// input, and the packets of the control socket.
//
//   - A [Pump] moves an output pipe to the launcher, as far as the [Credit] that
//     all pumps of the host share allows. Without credit the pipe fills up and
//     the process waits; nothing is kept in memory.
//   - A [Feeder] writes the launcher's standard input into a process's pipe. At
//     first it fetches input only when the process is blocked in reading, which it
//     asks the kernel (demand.go); whoever has read a window gets a window ahead.
//   - A [Control] is the agent's end of a process's control socket: a queue that
//     never blocks who sends, and owns the descriptors that it passes on.
//
// Nothing here knows what a job is: what comes out goes to functions that the
// agent gives. A Pump runs in its caller's goroutine; Feeder and Control have
// short-lived ones, in the WaitGroup that they are given.
package procio
