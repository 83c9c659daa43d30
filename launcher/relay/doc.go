// Package relay carries connections to hosts over a host that has one already:
// the tree start. It has the shape of the tree and the protocol between the
// launcher and a relay (`gridrun __relay`, one on each inner host); what a relay
// does with it, and how the launcher uses it, is launcher/ssh's.
//
//  1. [Parent] says which host another is reached through.
//  2. The launcher starts the relay through ssh as it starts agents. Standard
//     input and output of the relay carry a [Session]: streams with credit each
//     (yamux), so a child that reads or writes slowly holds up no other, and a
//     sign of life both ways whose lack ends the session, but not while the
//     launcher is stopped (Rest).
//  3. Every stream begins with a [Message] that says what it is for. Dial: the
//     relay connects to a host. The relay asks the launcher over the same stream
//     whether the host's key is the right one and has it sign the proof of who
//     the user is, so an inner host needs neither known_hosts nor keys. The
//     connection lives as long as this stream.
//     Exec and Subsystem: a process on such a connection; the stream goes on as
//     [Pipe], frames of its input, output, standard error and end.
//     Push: files that the relay's host has are brought to such a connection's.
//     Rest: the launcher is about to be stopped (Ctrl-Z), or goes on.
//  4. A relay on a host that is itself reached through a relay is a process like
//     any other: its Session runs inside a Pipe. The launcher so holds a
//     Session with every inner host, and sees each host as if directly connected.
//
// Goroutines: those of yamux for each Session and one that looks for its silence,
// with one that waits for an answer, which end with it
// ([Session.Close] waits for none of them: they end when what they read does).
package relay
