// Package ssh starts agents on other hosts through their sshd, and needs
// nothing else there.
//
//  1. [LoadConfig] reads ~/.ssh/config and /etc/ssh/ssh_config, or one file
//     that was named, and [Config.Route] says how to reach a host: address,
//     user, port, keys, known_hosts files, and the hosts to jump over.
//     A user and a port that come with the host win.
//  2. [Starter.Resolve] looks all names up in parallel before anything is
//     connected; the error lists every name that does not resolve.
//  3. [Starter.Start] connects (limited: so many at once, and fewer to one
//     address, because sshd drops connections when many are not yet
//     authenticated), checks the host's key against known_hosts, proves who we
//     are with keys from ssh-agent and files, and executes one command.
//  4. The command is `/bin/sh`, told to read its script as the first line of
//     standard input, so that it works under any login shell. The script looks
//     for the agent's binary by its hash in a few cache directories. Where it
//     is found, the script becomes the agent. Otherwise it names its platform
//     and a directory it found usable and waits; the binary is put there by
//     SFTP on the same connection (launcher/ship); then `go` makes it the agent,
//     and `next` makes it look for another directory. A random marker tells the
//     script's lines from what shell start-up files print.
//  5. From then on [Agent] is the connection to the agent: its standard input
//     and output. [Agent.Ship] and [Agent.Stage] bring further files to it.
//
// With [Starter.Plan] a host may be connected to by another (--fanout): step 3
// happens in [Relay], a process on an inner host, which asks the launcher about
// keys; the others are the same over launcher/relay's streams. A relay that fails
// is done without: a host that was being connected to goes another way by itself,
// one whose agent was being started when it is started again (agents.RelayError).
//
// Two ways to connect share steps 2, 4 and 5: golang.org/x/crypto/ssh, and the
// system's own OpenSSH (`--launcher-command ssh`), which knows what the first
// does not: ProxyCommand, Match, Kerberos, keys on hardware. There a second ssh
// process carries SFTP.
//
// Every stage has a deadline and an [Error] names host, stage and address, what
// the host said, and what to try. Nothing is accepted that is not in
// known_hosts, unless the user's own configuration says so
// (StrictHostKeyChecking accept-new or no).
//
// Goroutines: those of x/crypto/ssh for each connection and one for each session
// that notices its end, which end when it is closed ([Agent.Wait] joins the
// first); Resolve's look-ups, joined before it
// returns; for each host of a tree one that connects, one that starts its relay,
// one that notices the relay's end and one its own, and those of launcher/relay, which end when the
// last agent behind it has been waited for; in a relay one for each stream and its
// reader, joined by Relay; for each OpenSSH process one that copies its standard error.
// Connections to jump hosts are shared and end with the last that uses them.
package ssh
