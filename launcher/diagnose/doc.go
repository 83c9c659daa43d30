// Package diagnose says why a job does not go on. It is a pure function from
// what is known of every rank (what it is blocked in, where its process stands,
// its Go stacks, the messages it has got and not received) to text whose first
// line names the culprit.
//
//  1. A [Job] is put together from the agents' reports.
//  2. Waits that are younger than the look are left out: whoever waits in them
//     may be moving. All others have stood side by side for a while, on all hosts.
//  3. Collective calls are compared by group and number (calls.go): other
//     operations, roots, lengths.
//  4. Who waits for whom makes a graph (graph.go). Ranks that nobody can free are
//     stuck: the largest set in which every wait waits for members of the set, or
//     for ranks that have ended. Its circles are its strongly connected parts.
//  5. Ranks that wait for one outside of that set wait for it: it computes, sits
//     in a system call, or is none of gridrun's programs (doing.go).
//  6. Findings are ordered by how much they explain; the first is the verdict.
//     Below them comes the table of all ranks, folded, and the stacks (text.go).
package diagnose
