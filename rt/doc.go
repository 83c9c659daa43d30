// Package rt is what a rank program imports: messages between ranks, groups of
// ranks, and what happens when one of them fails.
//
//	func main() { rt.Main(body) }
//
//	func body(ctx context.Context, w *rt.World) error {
//		next, prev := (w.Rank()+1)%w.Size(), (w.Rank()+w.Size()-1)%w.Size()
//		x := []int{w.Rank()}
//		if _, err := rt.SendRecv(ctx, w, next, x, prev, x, 0); err != nil {
//			return err
//		}
//		fmt.Fprintln(w.Stdout(), w.Rank(), "got", x[0])
//		return nil
//	}
//
// Started by `gridrun -np 4 ./program`, [Main] runs the body as one of four
// ranks; started alone, as a world of one rank. [Run] runs it as goroutine ranks
// of this process: for tests, debugging and embedding.
//
// # Messages
//
// Matching is MPI's: a receive takes the oldest message that fits its group,
// source and tag; messages of one sender never overtake each other. Short
// messages are buffered, long ones wait for their receive; a rank that does not
// receive stops its senders after a bounded amount of memory. Any goroutine of a
// rank may call any function. Transfers go on while a rank computes.
//
// ctx comes first, then the group, the peer, the tag, the data. Cancelling ctx
// takes effect until a message is matched; after that the call ends with the
// transfer or with the peer's loss. A blocking call's buffer is the caller's
// again when it returns; a request's when Wait or Test says it is complete.
//
// # Failures
//
// Operations with a rank that has ended fail with [ErrPeerLost]. When a rank
// fails, everybody's ctx is cancelled with that cause: a body that returns
// errors as they come is all a program needs. Errors are [*Error] and name
// operation, rank, peer and tag.
//
// # Goroutines
//
// Main starts one that listens to the host's agent, the engine one that fetches
// what others have sent; both have ended when the body's process exits. Run starts
// one a rank and joins them.
package rt
