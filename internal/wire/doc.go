// Package wire is what crosses a boundary between processes: the frames that
// ranks exchange (the data plane) and the messages between launcher, agent and
// ranks (the control plane). It imports nothing of gridrun and holds no state.
//
// # Data plane
//
// A frame is a [Header] of [HeaderSize] bytes, little-endian, followed by
// Header.Body bytes. One ordered stream of frames connects two processes; the
// header names the ranks, so processes that hold several ranks share a stream.
//
//	Eager   a whole message: envelope and data
//	RTS     the envelope of a message whose data waits at the sender
//	CTS     the receiver has matched an RTS and wants its data
//	Data    a piece of such a message
//	Cancel  the sender takes an RTS back; Cancelled agrees, silence means "matched"
//	Credit  eager bytes that the receiver has consumed, when no frame carries them
//	Revoke  a group is dead; the body says why
//	Bye     the sending rank has finished and will send nothing more
//	Put     the sender has written a message to where its receiver had shown
//	Stored  the envelope of a message that lies in memory of both
//	Agree   a step of an agreement among the survivors of a group
//
// # Control plane
//
// A control message is one kind byte and a msgpack map. Between launcher and
// agent each is preceded by its length; between agent and rank it is one
// packet of a Unix seqpacket socket, which may carry a descriptor. Every
// connection opens with [Magic] and [Version], so two builds that do not fit
// say so instead of misreading each other. docs/wire.md lists every field.
package wire
