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
//  4. Loading a block reads its box from the file and then looks whether the
//     file is still the one that was opened.
//
// A session has two goroutines, the reader (the caller of Serve) and a writer,
// and one for each Open or Coord under way; Serve joins them. The block cache
// has workers; the end of the last session joins those.
package server
