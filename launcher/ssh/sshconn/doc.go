// Package sshconn connects to hosts and runs processes there.
//
//  1. [Names] looks hosts up, each once.
//  2. A [Dialer] connects through golang.org/x/crypto/ssh, over jump hosts, which
//     are shared. It limits how many connections to one address are not yet
//     authenticated, because sshd drops connections when there are many, and tries
//     again when one was dropped. A [Judge] decides on keys.
//  3. [NewOpenSSH] uses the system's own OpenSSH instead, which knows ProxyCommand,
//     Match, Kerberos and keys on hardware: a process for each command.
//  4. Either way a [Connection] has as many [Process]es as wanted.
//
// A [Watch] bounds each [Stage], and an [Error] names host, stage and address, what
// the host said, and what to try.
//
// Goroutines: those of x/crypto/ssh for each connection and one for each session
// that notices its end, which end when it is closed ([Connection] Join waits for
// the first); for each OpenSSH process one that copies its standard error.
package sshconn
