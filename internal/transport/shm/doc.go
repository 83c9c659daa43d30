// Package shm is the transport between the processes of one host, through one
// shared segment: a memory file that cannot change its size, made by the host's
// agent ([Create]) and inherited by descriptor ([Attach]).
//
//	header      magic, version, numbers of processes and ranks, rings in use
//	numbers     process number of each local index; world rank of each wait table
//	slots       for each process:
//	            | bells: two futex words, token holder and background poller |
//	            | pid, and a word of its memory to try Pull with               |
//	            | mode (who is armed) | state | ready word ... one bit a peer  |
//	wait tables for each rank (see waittable): the agent reads them
//	directory   [from][to] -> number of a ring, 0: the two have not talked
//	pool        rings, handed out one after another:
//	            | head, waiting | receives shown to the sender | 256 KiB of records |
//	boards      64 boards for groups' collectives (see board), the first the world's
//	stores      for each process: 1 MiB in which it leaves messages for others
//
// Every ordered pair has its place in the pool, but a page of it comes into
// being when it is touched: memory grows with the pairs that talk. All pairs of
// 93 processes have 2.2 GB of addresses, those of 1000 processes 264 GB, and a
// pair that has exchanged little costs one page. A sender wraps round after 32 KiB, which
// stay in the caches, until it has found these full again and again (ring.go).
//
// # How a frame travels
//
//  1. Link.Post locks the sender's half of the pair. The first frame takes a ring
//     from the pool and enters it in the directory.
//  2. With nothing queued before it, the frame is copied into the ring: a record
//     (record.go) is the header and the body in whole cache lines; an Eager frame
//     of up to 24 bytes takes one. Data goes in pieces of at most 8 KiB, so that
//     the receiver copies one while the next is written. What does not fit is
//     queued, with a word in the ring that asks to be told. [peer.Push] is the same
//     for a frame that is given up rather than queued.
//  3. The sender writes the record's first word, which publishes it, sets its bit
//     in the receiver's ready word unless it is set, and looks at the receiver's
//     mode: someone is polling, or someone is armed and gets a futex wake-up.
//  4. Poll takes the ready words, and for each bit delivers the records of that
//     peer: bodies are handed to Sink.Arrived where they lie, short ones several
//     at a time, Data is copied to where Sink.Place says. It gives the room back
//     by advancing the ring's head, and signals a sender that asked, by the same
//     bits and bells.
//  5. The bit may also mean room: Poll then moves on what is queued to that peer.
//
// Up to 16 processes that each have a processor look at the rings themselves, at
// every Poll, and leave the bits set. Where membarrier(2) works, those that have sent
// a lot do without the memory fence in step 3. A short message then is one
// cache line that goes from the sender's processor to the receiver's.
//
// # Long messages
//
// A message that does not travel with its envelope goes through the ring as Data,
// both ends copying at the same time; or its receiver copies it out of the
// sender's memory ([transport.Puller], process_vm_readv): once, on whatever
// goroutine has matched it. The engine chooses. Where the system forbids pulling,
// which a process finds out by trying to read a word of each peer, all goes
// through the ring. A receiver that computes shows its receives (shown.go), and the
// sender copies into its memory ([transport.Putter], process_vm_writev). Where processes
// share processors the engine has messages of some length left in the sender's store
// (store.go): two copies by programs take less than one by the kernel.
//
// doorbell.go proves that no wake-up is lost. Nothing that a peer writes is
// trusted: positions and headers are checked, and a ring that makes no sense
// ends in Sink.Down of that peer.
//
// # Ends
//
// Kill makes posts fail at once; the next Poll delivers what the dead process had
// published, gives queued frames back, and calls Down. Close flushes, with a
// deadline of a few seconds for peers that take nothing, and marks the process as
// left, which its peers' Close respects. The wait tables live on until
// [Segment.Close].
//
// The engine's goroutines call Poll and Sleep. The package starts one of its own,
// once, for the milliseconds that registering with membarrier takes; Close joins it.
package shm
