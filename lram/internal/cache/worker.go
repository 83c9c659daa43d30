package cache

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
)

// run is a worker.
func (c *Cache) run(ctx context.Context) {
	for {
		b := c.next()
		if b == nil {
			return
		}
		var how How
		off, err := c.reserve(b)
		if err == nil {
			how, err = c.fill(ctx, b, off)
		}
		c.finish(b, off, how, err)
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
			return c.base + off, nil
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
	if err := c.arena.Release(off - c.base); err != nil {
		panic(err)
	}
}

// fill loads b into its memory. A decoder that panics has failed like one that returns an error.
func (c *Cache) fill(ctx context.Context, b *Block, off int64) (how How, err error) {
	if err := c.region.Ensure(off, int64(b.Size)); err != nil {
		return 0, err
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
func (c *Cache) finish(b *Block, off int64, how How, err error) {
	c.mu.Lock()
	waiters := b.waiters
	if errors.Is(err, errNoRoom) && c.closed {
		err = ErrClosed // no worker would come back to it
	}
	if errors.Is(err, errNoRoom) && len(waiters) > 0 {
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
		switch {
		case err != nil:
			w.done(nil, w.how, err)
		case w.how == Missed:
			w.done(b, how, nil)
		default:
			w.done(b, w.how, nil)
		}
	}
}
