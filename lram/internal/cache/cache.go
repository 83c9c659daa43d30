package cache

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"sync"

	"gridrun/lram/internal/arena"
	"gridrun/lram/internal/memory"
)

// A Key names a block: an array that the server has opened, and the index in its grid.
type Key struct {
	Array uint64
	Block int64
}

// A Load fills dst with a block. It is called by one worker and must not keep dst.
type Load func(ctx context.Context, dst []byte) error

// How says what a Get met.
type How uint8

const (
	Hit    How = iota // the block was there
	Waited            // it was on its way
	Missed            // this Get set it going
)

// ErrClosed answers what is still waiting when the cache is closed.
var ErrClosed = errors.New("the cache is closed")

// A Block is resident. Whoever got it from Get must Unpin it, once.
type Block struct {
	Off  int64 // where it stands in the region
	Size int   // bytes

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

// New starts a cache in region, all of which it may use, with that many workers.
func New(region *memory.Region, workers int) *Cache {
	ctx, cancel := context.WithCancel(context.Background())
	a := arena.New(region.Size())
	c := &Cache{
		region: region,
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
		b = &Block{key: key, Size: size, load: load, demanded: true, waiters: []waiter{{Missed, done}}}
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
	b := &Block{key: key, Size: size, load: load, prefetched: true}
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
func (c *Cache) Unpin(b *Block) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if b.pins--; b.pins == 0 {
		b.idle = c.idle.PushBack(b)
		c.room.Broadcast()
	}
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

// run is a worker.
func (c *Cache) run(ctx context.Context) {
	for {
		b := c.next()
		if b == nil {
			return
		}
		off, err := c.reserve(b)
		if err == nil {
			err = c.fill(ctx, b, off)
		}
		c.finish(b, off, err)
	}
}

// next waits for a block to load, nil when the cache is closed.
func (c *Cache) next() *Block {
	c.mu.Lock()
	defer c.mu.Unlock()
	for {
		switch {
		case c.closed:
			return nil
		case len(c.demand) > 0:
			b := c.demand[0]
			c.demand = c.demand[1:]
			b.state = loading
			return b
		case len(c.ahead) > 0:
			b := c.ahead[0]
			c.ahead = c.ahead[1:]
			if b.state == queued && !b.demanded {
				b.state = loading
				c.unused += int64(b.Size)
				return b
			}
		default:
			c.work.Wait()
		}
	}
}

// errNoRoom drops a prefetch.
var errNoRoom = errors.New("no room to prefetch")

// nowhere is the offset of a block without memory.
const nowhere = -1

// reserve finds memory for b, evicting others.
func (c *Cache) reserve(b *Block) (int64, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for c.reserving && !c.closed {
		c.room.Wait()
	}
	c.reserving = true
	defer func() {
		c.reserving = false
		c.room.Broadcast()
	}()
	for !c.closed {
		if len(b.waiters) == 0 && b.prefetched && c.unused > c.budget/2 {
			return nowhere, errNoRoom
		}
		if off, ok := c.arena.Alloc(b.Size); ok {
			return off, nil
		}
		if c.evict() {
			continue
		}
		if len(b.waiters) == 0 {
			return nowhere, errNoRoom
		}
		c.room.Wait()
	}
	return nowhere, ErrClosed
}

// evict frees the least recently used block that nobody has pinned. The lock is held.
func (c *Cache) evict() bool {
	e := c.idle.Front()
	if e == nil {
		return false
	}
	b := c.idle.Remove(e).(*Block)
	b.idle = nil
	delete(c.blocks, b.key)
	c.release(b.Off)
	c.stats.Evictions++
	if b.prefetched {
		c.unused -= int64(b.Size)
		c.stats.BytesUnused += int64(b.Size)
	}
	return true
}

// release gives memory back to the arena. Offsets come from Alloc and are released once, so an error would be a bug of this package.
func (c *Cache) release(off int64) {
	if err := c.arena.Release(off); err != nil {
		panic(err)
	}
}

// fill loads b into its memory. A decoder that panics has failed like one that returns an error.
func (c *Cache) fill(ctx context.Context, b *Block, off int64) (err error) {
	if err := c.region.Ensure(off, int64(b.Size)); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("the decoder failed: %v\n%s", p, debug.Stack())
		}
	}()
	end := off + int64(b.Size)
	return b.load(ctx, c.region.Bytes()[off:end:end])
}

// finish makes b resident or forgets it, and answers those who wait.
func (c *Cache) finish(b *Block, off int64, err error) {
	c.mu.Lock()
	waiters := b.waiters
	if err == errNoRoom && len(waiters) > 0 {
		// Somebody has asked for it just now: it is no prefetch any more.
		b.state, b.demanded = queued, true
		c.demand = append(c.demand, b)
		c.work.Signal()
		c.mu.Unlock()
		return
	}
	b.waiters, b.load = nil, nil
	if err == nil {
		c.stats.Loads++
		b.Off, b.state, b.pins = off, resident, len(waiters)
		if b.pins == 0 {
			b.idle = c.idle.PushBack(b)
		}
	} else {
		if off != nowhere {
			c.release(off)
		}
		if b.prefetched {
			c.unused -= int64(b.Size)
		}
		delete(c.blocks, b.key)
	}
	c.room.Broadcast()
	c.mu.Unlock()
	for _, w := range waiters {
		if err != nil {
			w.done(nil, w.how, err)
		} else {
			w.done(b, w.how, nil)
		}
	}
}
