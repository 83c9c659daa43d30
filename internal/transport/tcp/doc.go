// Package tcp carries frames between the processes of a job over TCP: one
// authenticated connection for each pair of processes that talk to each other, and
// on long links a few more for long data (lanes.go).
//
// # What happens to a frame
//
//  1. Post queues it on the link. The first frame of a link starts a goroutine
//     that asks Config.Dial for a raw connection to the peer process.
//  2. The handshake (handshake.go): both ends prove that they know the job's
//     key before either parses anything else. Then the accepting end sends one
//     byte, its verdict: use this connection, or another one is used already.
//  3. Push gives a short frame to the kernel when nothing waits before it, and that is
//     all (push.go). Otherwise
//     Post writes frames itself when nobody else is writing: many frames a
//     writev, small bodies copied behind their headers. What the kernel does not
//     take waits on the link until the socket has room.
//  4. At the peer the bytes are read by who polls ([Polled]): one system call
//     tells which sockets are ready, an input (receive.go) decodes headers from a
//     small buffer, hands frames to Sink.Arrived, and reads the pieces of Data
//     frames, and bodies of Eager frames that have not come whole with their
//     header, straight into the memory that Sink.Place names, together with the
//     header that follows. An input can stop anywhere and go on later.
//  5. Close sends what is queued, then a farewell (a header of kind 0xff and
//     zeros otherwise) and a half-close. An end of stream without a farewell is
//     a crash: it is told as [ErrBroken], an end with one as
//     [transport.ErrLeft].
//
// # Why exactly one connection carries frames
//
// Two processes may connect to each other at the same moment. Call the one
// with the lower number low, the other high; X is the connection that low
// opens, Y the one that high opens. low alone decides, under its link's lock:
//
//   - It accepts Y only while it has not begun to open X. After that it never
//     opens X: a link connects once in its life.
//   - Once it has begun to open X, a Y that arrives waits ("parked") until X is
//     settled. When X is up, Y gets the verdict "yield" and is closed.
//   - When X fails before low has sent its proof on it, low uses Y instead.
//     When X fails later, the link is down: high may have begun to use X.
//
// high accepts any X that carries low's proof, also while it opens Y, and then
// forgets Y. So if X is accepted then low had begun to open X and sent its
// proof: low has neither accepted Y before (first rule) nor will it later
// (third rule). If Y is accepted, low never sends a proof on X, so high does
// not accept X. Frames flow only after acceptance, and wait on the link, not on
// a connection; hence all travel on the one accepted connection, in the order
// of posting, each once. The verdict is the first byte that the accepting end
// sends after the handshake, the opening end sends frames only when it has read
// it: on a connection that loses no frame was ever sent.
//
// # What a stranger can do
//
// Whoever reaches the listening port without the key can make a process hold a
// connection for Config.Handshake and compute one MAC. The number of such
// connections is bounded; a further one displaces the oldest, and a peer of the
// job whose connection was displaced tries again. The handshake authenticates
// the peer, it does not encrypt: who can change packets on the way can change
// frames.
//
// # Who reads and writes
//
// A connection is one of two carriers (conn.go). A socket is taken out of package
// net's hands: all sockets are in an epoll set of this network. While a goroutine
// of the process waits and polls, it looks into that set itself, or straight into
// the socket of the one peer that talks (hot_linux.go), so a message wakes nobody. When
// nobody polls, the set is armed once, and what comes rings the background poller
// (poll_linux.go has who sleeps where). Where frames are encrypted, TLS lies above the
// socket (veil.go). The options of the kernel's buffers are left alone: its autotuning
// ends where they are set.
//
// A stream is read by a goroutine of its own and written by Post, as far as the
// kernel takes it at once, or by a writer goroutine: systems without epoll, networks
// that nobody polls, connections that are not TCP's.
//
// # Goroutines
//
// For each link: one that dials (until connected), and a few that open its lanes; with a stream, one reader
// (while the connection is up) and one writer (only while the kernel has not
// taken all frames); with a socket, one that sends a verdict or a farewell, for a
// moment. For each unauthenticated connection: one, with a deadline. One watches
// for silence, one polls while Close runs. [Net.Close] joins all of them.
//
// Arrived, Place, Placed and Down of one peer are called one at a time: from Poll,
// or from the reader. Sent is called in the order of posting, but for frames that went
// by lanes, from the poster, Poll or the writer, so it may run while another
// goroutine delivers.
package tcp
