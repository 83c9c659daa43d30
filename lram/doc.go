// Package lram reads n-dimensional arrays in files through a cache in the
// memory of the job's hosts. It follows LambdaRAM's five calls: initialize is
// [New], open is [Cache.Open], read is [Read], close is [Dataset.Close],
// finalize is [Cache.Close].
//
//  1. An array is cut into blocks (package grid): the file's own chunks, or
//     whole trailing rows of about 256 KiB that do not span a dimension
//     needlessly. Every rank computes the same blocks.
//  2. Each host has one server (package server), in the host service's process,
//     with a budget of shared memory. A rank that reads a box names the blocks
//     it touches; the server reads each from the file and decodes it, once
//     while the budget holds it, however many ranks ask; the rank copies what
//     it needs out of the shared memory, converting as it goes.
//  3. Blocks that nobody has used for longest make room for others. A box
//     larger than the budget passes through it in windows.
//  4. In a process without a host service (rt.Run, or a program started by
//     hand) the same server runs inside and the goroutine ranks share it.
//
// A block holds elements as stored, in this machine's byte order. [Read]
// converts: scale_factor and add_offset, missing values to NaN, and never a
// number into a type that cannot hold it. To an integer type, fractions are
// cut off as in C.
//
// Where the file is read: the server opens it, so it must be visible on the
// host, and a relative name is relative to the rank's own directory. A file
// that changes while it is open is an error at the next block that is read
// from it; blocks read before stay as they were.
//
// Which host keeps a block is asked of one function, home; today it answers
// with the rank's own.
//
// # Goroutines
//
// A Cache has one, its client's reader, and in a process without a host service
// one more, the server's session; Cache.Close joins both. The server's are its
// own business.
package lram
