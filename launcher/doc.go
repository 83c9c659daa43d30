// Package launcher takes a [Spec], what the user asked for, to the end of the
// job it describes.
//
//  1. [Prepare] checks the Spec, finds out what its programs are
//     (launcher/program) and gives every rank a host (launcher/place). Nothing
//     runs yet; [Job.Text] is what --dry-run prints.
//  2. [Job.Run] starts one agent on each host through an [agents.Starter] and sends it
//     Start: all it must do. The connection is the agent's own standard input
//     and output (internal/wire says what is spoken there).
//  3. What agents report goes as events through the state machine of
//     launcher/job, which says what to send, when to stop and who is to blame.
//  4. Output goes to launcher/output, which writes it and returns credit;
//     standard input is read only when a process that gets it is reading
//     (launcher/stdin). What hosts say one by one is put together by
//     launcher/gather, and what ranks record by launcher/observe.
//  5. When every agent has cleaned up, Run prints one line if the job failed,
//     and returns its exit code.
//
// Run starts these goroutines and joins them all before it returns: for each
// host one that starts the agent and reads from it, one that writes to it, and one
// that gives signs of life while files are brought; two that write standard
// output and error, and one that reads standard input. Its caller's goroutine is
// the event loop and owns the machine.
package launcher
