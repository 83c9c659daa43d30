package cache

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"sync"

	"gridrun/lram/internal/arena"
	"gridrun/lram/internal/memory"
)

// A Key names a block: an array that the server has opened, and the index in its grid.
type Key struct {
	Array uint64
	Block int64
}

// A Load fills dst with a block and says how whoever asked first met it: Missed,
// or what another host said. It is called by one worker and must not keep dst.
type Load func(ctx context.Context, dst []byte) (How, error)

// How says what a Get met.
type How uint8

const (
	Hit    How = iota // the block was there
	Waited            // it was on its way
	Missed            // this Get had it read from storage
	Remote            // this Get had it brought from another host, where it was
)

// Moved is set besides when this Get had it brought from another host.
const Moved How = 1 << 7

// ErrClosed answers what is still waiting when the cache is closed.
var ErrClosed = errors.New("the cache is closed")

// A Block is resident. Whoever got it from Get must Unpin it, once.
type Block struct {
	Off  int64 // where it stands in the region
	Size int   // bytes

	cache      *Cache
	key        Key
	load       Load
	state      state
	pins       int
	waiters    []waiter
	idle       *list.Element // in Cache.idle while resident and unpinned
	prefetched bool          // and not asked for since
	demanded   bool          // queued for somebody who waits
}

type state uint8

const (
	queued state = iota
	loading
	resident
)

type waiter struct {
	how  How
	done func(*Block, How, error)
}

// Stats counts since New.
type Stats struct {
	Loads, Evictions int64
	// BytesUnused were prefetched and evicted, or are still there, without having been asked for.
	BytesUnused int64
}

// maxAhead bounds the blocks queued for prefetching.
const maxAhead = 4096

// Cache is safe for concurrent use.
type Cache struct {
	region *memory.Region
	base   int64 // where its part of the region begins
	budget int64
	cancel context.CancelFunc
	joined sync.WaitGroup

	mu        sync.Mutex
	work      sync.Cond // something is queued, or closed
	room      sync.Cond // memory may be free, or the reserving worker is done
	closed    bool
	arena     *arena.Arena
	blocks    map[Key]*Block
	idle      *list.List // of *Block, least recently used first
	demand    []*Block
	ahead     []*Block
	reserving bool
	unused    int64 // bytes resident or reserved that were prefetched and not asked for
	stats     Stats
}

// New starts a cache in size bytes of region from base on, with that many workers.
func New(region *memory.Region, base, size int64, workers int) *Cache {
	ctx, cancel := context.WithCancel(context.Background())
	a := arena.New(size)
	c := &Cache{
		region: region,
		base:   base,
		budget: a.Free(),
		cancel: cancel,
		arena:  a,
		blocks: make(map[Key]*Block),
		idle:   list.New(),
	}
	c.work.L, c.room.L = &c.mu, &c.mu
	for range workers {
		c.joined.Go(func() { c.run(ctx) })
	}
	return c
}

// Close ends the loads under way, answers all waiters with ErrClosed and joins the workers. The region stays the caller's.
func (c *Cache) Close() {
	c.cancel()
	c.mu.Lock()
	c.closed = true
	var waiting []waiter
	for _, b := range c.blocks {
		if b.state == queued {
			waiting = append(waiting, b.waiters...)
			delete(c.blocks, b.key)
		}
	}
	c.demand, c.ahead = nil, nil
	c.work.Broadcast()
	c.room.Broadcast()
	c.mu.Unlock()
	for _, w := range waiting {
		w.done(nil, w.how, ErrClosed)
	}
	c.joined.Wait()
}

// Stats tells what happened so far.
func (c *Cache) Stats() Stats {
	c.mu.Lock()
	defer c.mu.Unlock()
	s := c.stats
	for e := c.idle.Front(); e != nil; e = e.Next() {
		if b := e.Value.(*Block); b.prefetched {
			s.BytesUnused += int64(b.Size)
		}
	}
	return s
}

// Get answers with the block under key, of size bytes, loading it first if need be. done is called once, from this
// goroutine or a worker's, without a lock held; it must not block.
func (c *Cache) Get(key Key, size int, load Load, done func(*Block, How, error)) {
	c.mu.Lock()
	if c.closed {
		c.mu.Unlock()
		done(nil, Missed, ErrClosed)
		return
	}
	b := c.blocks[key]
	if b == nil {
		if arena.Round(size) > c.budget {
			c.mu.Unlock()
			done(nil, Missed, fmt.Errorf("a block of %s does not fit the cache of %s", memory.FormatBytes(int64(size)), memory.FormatBytes(c.budget)))
			return
		}
		b = &Block{cache: c, key: key, Size: size, load: load, demanded: true, waiters: []waiter{{Missed, done}}}
		c.blocks[key] = b
		c.demand = append(c.demand, b)
		c.work.Signal()
		c.mu.Unlock()
		return
	}
	c.used(b)
	if b.state != resident {
		if b.state == queued && !b.demanded {
			// Its place among the prefetched stays; the worker that meets it there passes over it.
			b.demanded = true
			c.demand = append(c.demand, b)
			c.work.Signal()
		}
		b.waiters = append(b.waiters, waiter{Waited, done})
		c.mu.Unlock()
		return
	}
	c.pin(b)
	c.mu.Unlock()
	done(b, Hit, nil)
}

// Prefetch loads the block when nothing else is to be done. It says whether the block is there, on its way or queued now.
func (c *Cache) Prefetch(key Key, size int, load Load) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, there := c.blocks[key]; there {
		return true
	}
	if c.closed || len(c.ahead) >= maxAhead || arena.Round(size) > c.budget {
		return false
	}
	b := &Block{cache: c, key: key, Size: size, load: load, prefetched: true}
	c.blocks[key] = b
	c.ahead = append(c.ahead, b)
	c.work.Signal()
	return true
}

// used notes that somebody asked for b. The lock is held.
func (c *Cache) used(b *Block) {
	if b.prefetched {
		b.prefetched = false
		if b.state != queued {
			c.unused -= int64(b.Size)
		}
	}
}

// pin keeps b from being evicted. The lock is held.
func (c *Cache) pin(b *Block) {
	if b.idle != nil {
		c.idle.Remove(b.idle)
		b.idle = nil
	}
	b.pins++
}

// Unpin gives back what Get answered with.
func (b *Block) Unpin() {
	c := b.cache
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.pins--; b.pins == 0 {
		b.idle = c.idle.PushBack(b)
		c.room.Broadcast()
	}
}

// Bytes is what the block holds, until it is unpinned.
func (b *Block) Bytes() []byte {
	end := b.Off + int64(b.Size)
	return b.cache.region.Bytes()[b.Off:end:end]
}

// Pinned is how many blocks are pinned.
func (c *Cache) Pinned() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	n := 0
	for _, b := range c.blocks {
		if b.pins > 0 {
			n++
		}
	}
	return n
}
