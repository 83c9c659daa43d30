// Package server is the cache's side that reads files: it runs in the host
// service, or in the only process there is.
//
//  1. [Server.Serve] has one session for each rank. Its Hello names the job's
//     cache; the first rank to name it makes it ([house]): a budget that this
//     host can bear, a region of that size, the block cache with its workers.
//     When the last session of a house ends, all of that is given back.
//  2. Open opens an array once for all ranks of the house and answers with its
//     description and the shape of its blocks. The array is known by what the
//     file is (name, size, time, inode): another Open of an unchanged file
//     finds the blocks that are still there.
//  3. Get names blocks. The session asks the block cache for them in order, as
//     many at once as its share of the budget holds, and announces each with
//     Granted when it is resident. What the rank releases makes room for more.
//  4. Loading a block that is at home here ([house.home]) reads its box from the
//     file and then looks whether the file is still the one that was opened.
//  5. Loading another one asks the server of its home, over one connection for
//     each house and host that is made when first needed ([peer]). Up to
//     [fetchers] blocks are on their way at once. The home's session writes them
//     from where they stand in its memory, the asker reads them to where they
//     stay in its own.
//  6. Coordinates have homes too. Which file it is, each host compares with one
//     other ([house.witness]) when it opens it, and with each home before the
//     first block.
//
// # Why hosts do not wait for each other in a circle
//
// A session for another host reads from storage only and never asks a third one
// for blocks; only to compare files it may ask the witness, who asks nobody.
// Blocks at home and copies are two caches with workers and memory of their own,
// so a block at home never waits for a copy. A block on its way to another host
// is pinned until it is written, and whoever asked has memory for it and always
// reads.
//
// # The end of a house
//
// The last session, of a rank or of another host, ends it. A host whose ranks
// have all closed the cache so keeps its blocks while others use them, and reads
// blocks anew only for a host that asks for the first time after that.
//
// # Goroutines
//
// A session has two, the reader (the caller of Serve) and a writer, and one for
// each Open or Coord under way; Serve joins them. A house has the workers of its
// block caches, one reader for each connection to another host, and one for each
// connection or array that is being opened there; the end of the last session
// joins those.
package server
