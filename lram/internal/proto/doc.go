// Package proto is what a rank and the server of its cache say to each other
// over a byte stream, and what that server says to those of other hosts. To a
// rank these are small frames without data: blocks travel through shared
// memory. Between hosts a block's bytes follow its frame.
//
// # Frames
//
// A frame is its length (4 bytes, without these 4), a kind byte and fields, all
// integers little-endian, a string behind its length (4 bytes), a list behind
// its count (4 bytes). No frame is longer than [MaxFrame]; a list holds at most
// [MaxBlocks]. A frame with bytes too few or too many ends the connection.
//
// From the rank:
//
//	Hello      version, cache (which of the job's caches: the same text on all its ranks), rank, memory, block size, hosts (of all its ranks, ascending)
//	Open       request, reference, room (the least memory that a host of the cache has; it bounds the blocks)
//	Close      array
//	Coord      request, array, dimension, from (index of the first value)
//	Get        request, array, blocks
//	Release    request, positions: blocks of that Get that have been copied
//	Cancel     request: nobody waits for that Get any more
//	Prefetch   array, blocks
//	Count      request
//
// A server that asks another host's sends the same; its rank is the host's
// number. It sends no Release, Prefetch or Count.
//
// From the server:
//
//	Welcome    version, server (its name, to count it once), memory; or an error. The descriptor of the region comes with it.
//	Opened     request, array, description (msgpack)
//	Values     request, total, unit, values
//	Granted    request, position in the Get, offset and size in the region, how it was found
//	Block      request, position in the Get, size, how it was found; size bytes follow, which the frame's length does not count
//	Counted    request, counters
//	Failed     request, kind, text
//
// # Order
//
// Hello is the first frame of a rank and Welcome the server's answer; if it
// carries an error, the connection ends. Requests are numbered by the rank,
// each is answered once, in any order, except Get: it is answered by a Granted
// for each block, in any order, or by one Failed, after which no more come.
// A granted block is pinned until it is released, its request has been
// cancelled and released, or the connection ends. A server holds back what
// would pin more than this connection's share of the cache, so the rank copies
// and releases blocks as they come. Nothing answers Close, Release, Cancel and
// Prefetch.
//
// Another host's server gets no region with its Welcome, and Block in place of
// Granted. A block is pinned until it is written; the asker has memory for it
// before it asks, and always reads.
package proto
