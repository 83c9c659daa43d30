// Package hostd is the host service: one process on each host of a job that
// does for its ranks what needs memory or work shared by all of them, so that
// neither a computing rank nor a crashed decoder disturbs supervision. It knows
// no service itself; cmd wires them ([Main]).
//
//  1. The host's agent starts `gridrun __hostd` when the first rank asks, with
//     one end of a Unix seqpacket socket as descriptor 3 (see package wire).
//  2. The first packet is a wire.Welcome: job, key, topology.
//  3. Each wire.Service packet brings a descriptor: a Unix stream to the rank
//     it names. Each wire.Conn packet brings a TCP connection from the service
//     of another host, which the agent has let prove that it knows the job's key
//     (package reach). What else comes is ignored, so that agents may say more.
//  4. On the stream the other end says which service it wants ([Open]) and gets
//     an answer: a version the service has, or why not. From then on the stream
//     is the service's [Handler]'s; when that returns, the stream is closed.
//  5. A handler reaches its own kind on another host by [Peers.Dial]: the agent
//     says where that host listens, package reach connects, and there it is step
//  3. With --encrypt both ends seal the connection (package seal) before the
//     greeting.
//  6. When the control socket ends the agent has gone: all handlers' contexts
//     are cancelled, all streams closed, all handlers joined; Main returns.
//
// # The greeting
//
// From who asks: the word "gridrun-service " (16 bytes), the version (2 bytes,
// little-endian), the length of the name (1 byte), the name. From the service:
// the length of an error text (2 bytes) and the text; length 0 is a yes.
//
// # Goroutines
//
// Main starts one for each stream, and one that closes the stream when the
// context ends; it joins both before it returns. A handler that panics loses
// its stream, the others go on.
package hostd
