// Package reach connects a process to one on another host of its job, through
// the one listening port that the other host's agent owns.
//
//  1. The agent opens a [Port] on the chosen interfaces and tells the launcher
//     its addresses; who wants to connect gets them from its own agent.
//  2. A [Dialer] races the addresses: one after the other gets a start 50 ms
//     later, or as soon as an earlier one has failed. Which of them leads to the
//     host is not known beforehand: some sit behind a firewall, and addresses
//     like that of a container bridge (172.17.0.1) exist on both hosts, so that
//     connecting may well succeed and end at the wrong one.
//  3. So each connection is asked. The dialer sends what it wants and a nonce,
//     the port's owner answers with its host's number and a MAC made with the
//     job's key. Other jobs' ports and strange services cannot make that MAC, the
//     job's own ports on other hosts give another number; all of them drop out.
//  4. The first address that answers well wins. Only on it the dialer sends its
//     own MAC, over the owner's nonce too; the others are closed. The owner hands
//     the connection to the process that was asked for, with the number of the
//     one who asks. Both sides now know that the other one knows the job's key.
//  5. The dialer remembers the winner and tries it first from then on.
//
// # The words at the port
//
// D dials, O owns the port. Integers are little-endian; processes are numbers
// of the job, a host's service is -1 minus the host's number.
//
//	D to O  ask     "GRT1" version(4) job(8) from(4) to(4) nonce(16)
//	O to D  answer  "GRT1" version(4) status(4) host(4) nonce(16) mac("owner")(32)
//	D to O  proof   mac("dialer")(32)
//
// job is the start of a hash of the job's id. mac(role) is HMAC-SHA256 with the
// job's key over role, version, from, to, host, status, both nonces and the
// job's id.
//
// # What strangers can do
//
// An ask that is none, or of another job, is not answered; the connection is
// closed. Whoever has seen an ask on the network can have MACs made, which
// nobody else accepts, since they hold the dialer's nonce. A port holds at most
// 1024 connections that have not proved themselves, each for 5 seconds a word; one more
// displaces the oldest. A dialer whose connection was closed before an answer
// tries the address again.
//
// # Goroutines
//
// A Port has one for each address it listens on and one for each connection
// that has not proved itself; [Port.Close] joins them. [Dialer.Dial] has one for
// each address it tries, and joins them before it returns.
package reach
