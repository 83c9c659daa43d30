// Package cache keeps decoded blocks in its part of a region of shared memory.
// It knows keys, sizes and a function that fills a block; not files, not
// arrays, not who asks.
//
//  1. [Cache.Get] never blocks: it answers through a callback. A resident
//     block is pinned and handed out at once. A block on its way gains a
//     waiter. Any other is queued.
//  2. Workers take blocks from the queue, reserve memory, load, and answer all
//     waiters of the block, whether it worked or not. So a block is loaded
//     once however many ask; an error goes to all who wait and is not kept.
//  3. Reserving memory evicts blocks nobody has pinned, the least recently
//     used first. If all others are pinned or being loaded, the worker waits
//     for an [Block.Unpin]; only one worker reserves at a time, so that a large
//     block is not starved by small ones. Whoever pins must not wait for
//     another block before it unpins: then this cannot deadlock.
//  4. [Cache.Prefetch] queues behind everything that somebody waits for, waits
//     for no memory, and is dropped when its queue is full or when half of the
//     budget holds prefetched blocks that nobody has used.
//
// New starts the workers, Close joins them.
package cache
