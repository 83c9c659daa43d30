// Package transporttest is the one conformance suite that every transport
// passes, alone and mixed with others:
//
//	func TestConformance(t *testing.T) {
//		transporttest.Run(t, func(t *testing.T, n int, sinks []transport.Sink) []transport.Network { ... })
//	}
//
// The function connects n processes, 0 to n-1, network i delivering to
// sinks[i]. The suite closes the networks; what the transport needs besides
// goes to t.Cleanup.
//
// # How a test runs
//
//  1. Each process gets a [Recorder]: a Sink that keeps what arrives, in order,
//     and reports every call that the Sink's contract forbids.
//  2. Networks that are Pollers get a [Driver] each: a goroutine that polls and
//     sleeps as the engine does. It ends, and is joined, before its network is
//     closed.
//  3. The test posts, waits for what must arrive ([Recorder.Until], with a
//     deadline that ends in a dump of all goroutines), and looks at it.
//  4. Drivers stop, networks close, all at the same time; no Sink method may be
//     called after that.
package transporttest
