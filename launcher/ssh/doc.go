// Package ssh starts agents on other hosts through their sshd, and needs
// nothing else there.
//
//  1. [Starter.Resolve] looks all names up in parallel before anything is
//     connected; the error lists every name that does not resolve.
//  2. [Starter.Start] asks sshconf for the way to a host, connects (sshconn,
//     limited: so many at once), which checks the host's key and proves who we are
//     (sshkeys), and executes one command.
//  3. The command is `/bin/sh`, told to read its script as the first line of
//     standard input, so that it works under any login shell (script). It looks
//     for the agent's binary by its hash in a few cache directories. Where it
//     is found, the script becomes the agent. Otherwise it names its platform
//     and a directory it found usable and waits; the binary is put there by
//     SFTP on the same connection (launcher/ship); then `go` makes it the agent,
//     and `next` makes it look for another directory. A random marker tells the
//     script's lines from what shell start-up files print.
//  4. From then on [Agent] is the connection to the agent: its standard input
//     and output. [Agent.Ship] and [Agent.Stage] bring further files to it.
//
// With [Starter.Plan] a host may be connected to by another (--fanout): connecting
// happens in [Relay], a process on an inner host, which asks the launcher about
// keys; the rest is the same over launcher/relay's streams. A relay that fails
// is done without: a host that was being connected to goes another way by itself,
// one whose agent was being started when it is started again (agents.RelayError).
//
// Every stage has a deadline and an [sshconn.Error] names host, stage and address,
// what the host said, and what to try.
//
// Goroutines: those of sshconn; Resolve's look-ups, joined before it
// returns; for each host of a tree one that connects, one that starts its relay,
// one that notices the relay's end and one its own, and those of launcher/relay,
// which end when the last agent behind it has been waited for; in a relay one for
// each stream and its reader, joined by Relay.
// Connections to jump hosts are shared and end with the last that uses them.
package ssh
