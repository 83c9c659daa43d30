// Package guard sees to it that nothing of a job outlives its agent, whatever
// becomes of the agent.
//
//  1. [Main], on hosts of other machines, or [StartOwn], in the launcher itself,
//     becomes a subreaper and starts the agent. The two hold the ends of a socket,
//     so each notices when the other is gone.
//  2. The agent says over it which directory must go when the job has ended
//     ([Claim]).
//  3. When the agent has ended, everything below the guard is killed and reaped
//     until no child is left ([EndDescendants]), and the directory is removed.
//
// One goroutine is started here, which keeps what an Own's agent says on its
// standard error; Own.Wait joins it.
package guard
