// Package check finds out whether hosts can take part in a job, and with whom:
// `gridrun hosts check`. Unlike a job, which ends at the first that fails, it
// reports every host.
//
//  1. [Run] starts an agent on each host, all at once, as a job would, and sends
//     it Survey. The agent opens a port like a job's and answers with Facts.
//  2. When all hosts have answered or failed, each gets Try: it connects to every
//     address of every other host, and must find that host there and no other.
//  3. [Report.Print] shows the hosts as a table, what failed folded by reason, and
//     the reachability in one line where it is uniform.
//
// Run has a goroutine for each host, and joins them.
package check
