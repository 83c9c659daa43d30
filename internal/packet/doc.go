// Package packet carries control messages between processes of one host: one
// message a packet of a Unix seqpacket socket, with at most one descriptor.
package packet
