// Package stream copies past the cache.
//
// An ordinary store reads the line it writes to into the cache first, and later
// writes it back: two streams in memory for one. Where what is written is more than
// the cache holds nobody finds it there anyway, and stores that do without (the
// processor calls them non-temporal) halve the traffic. Where it would fit they
// are a loss, for who reads it next has to fetch it from memory.
//
//  1. [Copy] is told how many bytes are written in all, by everybody who shares the
//     cache, before the first of them are read again.
//  2. If that is more than the last cache holds, which is read from /sys once, it
//     copies whole lines with such stores (store_amd64.s, SSE2), at most 64 KiB a
//     call, for Go cannot interrupt assembly.
//  3. A fence at the end of each call has all that was stored seen by others before
//     anything that is stored later, as with ordinary stores.
//
// On other processors than amd64 it is an ordinary copy. It starts no goroutines.
package stream
