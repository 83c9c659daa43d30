// Package lram reads n-dimensional arrays in files through a cache in the
// memory of the job's hosts. It follows LambdaRAM's five calls: initialize is
// [New], open is [Cache.Open], read is [Read], close is [Dataset.Close],
// finalize is [Cache.Close].
//
//  1. An array is cut into blocks (package grid): the file's own chunks, or
//     whole trailing rows of about 256 KiB that do not span a dimension
//     needlessly. All hosts compute the same blocks: the least of their budgets
//     bounds the size.
//  2. Each host has one server (package server), in the host service's process,
//     with a budget of shared memory. A rank that reads a box names the blocks
//     it touches to its own host's server and copies what it needs out of the
//     shared memory, converting as it goes.
//  3. Every block has a home: one of the hosts whose ranks joined the cache,
//     computed from the array (its files' names, sizes and times, and the
//     variable) and the block's index. Only the home's server reads the block
//     from storage and decodes it; the servers of other hosts fetch it from
//     there, once a host however many ranks ask, and keep a copy. So a block is
//     read once for the whole job, as long as its home's budget holds it.
//  4. Blocks that nobody has used for longest make room for others. With several
//     hosts half of a budget is for blocks at home there, half for copies. A box
//     larger than the budget passes through it in windows.
//  5. In a process without a host service (rt.Run, or a program started by
//     hand) the same server runs inside and the goroutine ranks share it.
//
// This is LambdaRAM's mode for a local cluster.
//
// A block holds elements as stored, in this machine's byte order. [Read]
// converts: scale_factor and add_offset, missing values to NaN, and never a
// number into a type that cannot hold it. To an integer type, fractions are
// cut off as in C.
//
// Where the file is read: every server opens it, so it must be visible on every
// host under the same name; a relative name is relative to the rank's own
// directory. Hosts whose files differ in size or time fail in Open or, at the
// latest, when one fetches from the other, and the error names both. What a
// program carries (`builtin:`) is the same everywhere. A file that changes while
// it is open is an error at the next block that is read from it; blocks read
// before stay as they were.
//
// A host that is lost takes the blocks with it that are at home there: reads that
// need one, and have no copy, fail with an error that wraps [ErrLost] and names
// the host. Nobody reads them from storage instead: a job that has lost a host
// should know.
//
// # Goroutines
//
// A Cache has one, its client's reader, and in a process without a host service
// one more, the server's session; Cache.Close joins both. The server's are its
// own business.
package lram
