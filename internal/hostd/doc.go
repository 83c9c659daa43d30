// Package hostd is the host service: one process on each host of a job that
// does for its ranks what needs memory or work shared by all of them, so that
// neither a computing rank nor a crashed decoder disturbs supervision. It knows
// no service itself; cmd wires them ([Main]).
//
//  1. The host's agent starts `gridrun __hostd` when the first rank asks, with
//     one end of a Unix seqpacket socket as descriptor 3 (see package wire).
//  2. The first packet is a wire.Welcome: job, key, topology.
//  3. Each wire.Service packet brings a descriptor: a Unix stream to the rank
//     it names. What else comes is ignored, so that agents may say more.
//  4. On the stream the rank says which service it wants ([Open]) and gets an
//     answer: a version the service has, or why not. From then on the stream is
//     the service's [Handler]'s; when that returns, the stream is closed.
//  5. When the control socket ends the agent has gone: all handlers' contexts
//     are cancelled, all streams closed, all handlers joined; Main returns.
//
// # The greeting
//
// From the rank: the word "gridrun-service " (16 bytes), the version (2 bytes,
// little-endian), the length of the name (1 byte), the name. From the service:
// the length of an error text (2 bytes) and the text; length 0 is a yes.
//
// # Goroutines
//
// Main starts one for each stream, and one that closes the stream when the
// context ends; it joins both before it returns. A handler that panics loses
// its stream, the others go on.
package hostd
