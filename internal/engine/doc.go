// Package engine moves messages between ranks. rt is its face for users;
// collectives, lram and rt/dsm stand on it too.
//
//	rt, collectives, lram, dsm
//	        |
//	  Comm, Call         groups; collective calls        comm.go call.go
//	  Handle             a user's hold on a transfer     handle.go
//	  Request, await     transfers; the wait primitive   request.go wait.go
//	  token, baton       who fetches frames              poll.go two.go
//	  Rank               matching, rendezvous, credits   rank.go send.go recv.go arrive.go
//	                                                     inplace.go put.go stored.go window.go
//	                     between ranks of one process    here.go lent.go standing.go
//	                                                     lookout.go
//	  Proc               ranks of a process, routes      proc.go lost.go
//	        |
//	  transport.Network  mem, shm, tcp
//
// # What happens to a message
//
//  1. A message to a rank of the same process needs no frame: its sender matches it
//     under the receiver's lock, copies it into the receive that waits and readies the
//     goroutine that does; a short one that none waits for stays with the receiver,
//     and a sender that waits lends a long one (here.go, lent.go, standing.go). A
//     short message to another process, with credit left, nothing queued before it and
//     nobody dead, is written where the receiver looks, or given to the kernel, and
//     that is all (short.go); a short receive is a few words in a row until a message
//     comes for it (slip.go). Otherwise Send makes a Request. With credit left a short
//     message goes as one Eager frame; where ranks share processors a longer one is
//     left in memory of both (stored.go); any other announces itself with RTS and
//     keeps its data.
//  2. The frame arrives in the destination's process. Under the rank's lock the
//     envelope is matched (package match), or kept as unexpected.
//  3. Eager data is copied into the receive's buffer; of long messages over TCP the
//     header is matched first and the network reads the body to where it belongs
//     ([transport.Placer]). For an RTS the receiver either copies the data out of the
//     sender's memory and says so, where the network can ([transport.Puller]), or
//     answers CTS, the sender posts one Data frame and the network brings its pieces
//     straight into the buffer. Where nobody waits in the receiver's process, a sender
//     to which the receive was shown does all that alone, and says Put (put.go).
//  4. The receive's Request is finished and its waiter, if asleep, woken. What
//     an eager message had cost flows back as credit, on a frame that goes that
//     way anyway or, after half a window, on a frame of its own.
//
// # Goroutines
//
// A Proc starts one goroutine, the background poller, when it has a network
// that must be polled, and one that passes on the ring of a second such network;
// without a network to poll it starts the lookout (lookout.go). Close joins them.
// Networks have their own. Everything else runs in the callers.
//
// # Locks
//
// rank.mu is the only lock around matching. It is a [bias.Mutex], as is a link's of
// shared memory: nearly free for the goroutine that is the rank. It is not held when a frame is
// posted, because a network may deliver or report back on the caller's stack; a
// push does neither.
// Order: the poll token, then a network's own locks, then rank.mu.
package engine
