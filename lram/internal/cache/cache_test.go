package cache

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"gridrun/lram/internal/arena"
	"gridrun/lram/internal/memory"
)

// start gives a cache of so many pages; everything must be given back at the end.
func start(t *testing.T, pages, workers int) *Cache {
	t.Helper()
	before := runtime.NumGoroutine()
	const base = 3 * arena.Unit // of a region that is not all ours
	region, err := memory.New(base + int64(pages)*arena.Unit)
	if err != nil {
		t.Fatal(err)
	}
	c := New(region, base, int64(pages)*arena.Unit, workers)
	t.Cleanup(func() {
		if n := c.Pinned(); n != 0 {
			t.Errorf("%d blocks are still pinned", n)
		}
		c.Close()
		if err := region.Close(); err != nil {
			t.Error(err)
		}
		waitFor(t, "workers to end", func() bool { return runtime.NumGoroutine() <= before })
	})
	return c
}

func waitFor(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !ok(); runtime.Gosched() {
		if time.Now().After(deadline) {
			t.Fatalf("waited in vain for %s", what)
		}
	}
}

type answer struct {
	b   *Block
	how How
	err error
}

// fill is a Load from storage.
type fill func(ctx context.Context, dst []byte) error

func (f fill) load(ctx context.Context, dst []byte) (How, error) { return Missed, f(ctx, dst) }

// get waits for the answer.
func get(c *Cache, key Key, size int, f fill) answer {
	ch := make(chan answer, 1)
	c.Get(key, size, f.load, func(b *Block, how How, err error) { ch <- answer{b, how, err} })
	return <-ch
}

// pattern is what a block under key holds.
func pattern(key Key) byte { return byte(key.Array*31 + uint64(key.Block)*7 + 1) }

func filler(key Key, loads *atomic.Int64) fill {
	return func(_ context.Context, dst []byte) error {
		loads.Add(1)
		for i := range dst {
			dst[i] = pattern(key)
		}
		return nil
	}
}

func (c *Cache) holds(t *testing.T, b *Block, key Key) {
	t.Helper()
	if got := b.Bytes(); !bytes.Equal(got, bytes.Repeat([]byte{pattern(key)}, b.Size)) {
		t.Errorf("block %v holds something else", key)
	}
}

// Who set the loading going learns what the load said; who waited for it, that it waited.
func TestLoadSaysHow(t *testing.T) {
	c := start(t, 8, 1)
	begin := make(chan struct{})
	answers := make(chan answer, 2)
	for range 2 {
		c.Get(Key{1, 1}, 10, func(context.Context, []byte) (How, error) { <-begin; return Remote | Moved, nil },
			func(b *Block, how How, err error) { answers <- answer{b, how, err} })
	}
	close(begin)
	for _, want := range []How{Remote | Moved, Waited} {
		a := <-answers
		if a.err != nil || a.how != want {
			t.Errorf("%v, %v; want %v", a.how, a.err, want)
		}
		a.b.Unpin()
	}
}

func TestOneLoadForAll(t *testing.T) {
	c := start(t, 8, 3)
	key := Key{1, 5}
	var loads atomic.Int64
	begin := make(chan struct{})
	var load fill = func(ctx context.Context, dst []byte) error {
		<-begin
		return filler(key, &loads)(ctx, dst)
	}
	const askers = 50
	answers := make(chan answer, askers)
	for range askers {
		c.Get(key, 5000, load.load, func(b *Block, how How, err error) { answers <- answer{b, how, err} })
	}
	close(begin)
	var missed, waited int
	for range askers {
		a := <-answers
		if a.err != nil {
			t.Fatal(a.err)
		}
		switch a.how {
		case Missed:
			missed++
		case Waited:
			waited++
		}
		c.holds(t, a.b, key)
		a.b.Unpin()
	}
	if loads.Load() != 1 || missed != 1 || waited != askers-1 {
		t.Errorf("%d loads, %d misses, %d waits; want 1, 1, %d", loads.Load(), missed, waited, askers-1)
	}
	a := get(c, key, 5000, load)
	if a.how != Hit || a.err != nil {
		t.Errorf("the next asker: how %d, %v", a.how, a.err)
	}
	a.b.Unpin()
}

func TestErrorGoesToAllAndIsNotKept(t *testing.T) {
	c := start(t, 8, 2)
	boom := errors.New("boom")
	begin := make(chan struct{})
	answers := make(chan answer, 10)
	for range 10 {
		c.Get(Key{1, 1}, 10, func(context.Context, []byte) (How, error) { <-begin; return Missed, boom },
			func(b *Block, how How, err error) { answers <- answer{b, how, err} })
	}
	close(begin)
	for range 10 {
		if a := <-answers; !errors.Is(a.err, boom) {
			t.Errorf("err = %v, want %v", a.err, boom)
		}
	}
	var loads atomic.Int64
	a := get(c, Key{1, 1}, 10, filler(Key{1, 1}, &loads))
	if a.err != nil || loads.Load() != 1 {
		t.Fatalf("after the error: %v, %d loads", a.err, loads.Load())
	}
	a.b.Unpin()
}

func TestPanicOfADecoderIsAnError(t *testing.T) {
	c := start(t, 8, 1)
	a := get(c, Key{1, 1}, 10, func(_ context.Context, dst []byte) error { dst[len(dst)] = 1; return nil })
	if a.err == nil || !strings.Contains(a.err.Error(), "index out of range") {
		t.Errorf("err = %v", a.err)
	}
}

// A host without memory for a block: an error, not a signal, and the place in the arena is free again.
func TestNoMemory(t *testing.T) {
	c := start(t, 4, 1)
	if err := c.region.Close(); err != nil { // from now on no page can be made
		t.Fatal(err)
	}
	for range 3 {
		a := get(c, Key{1, 1}, 4*arena.Unit, func(context.Context, []byte) error { t.Error("loaded without memory"); return nil })
		if a.err == nil || !strings.Contains(a.err.Error(), "no memory for a block of 16 KiB") {
			t.Errorf("err = %v", a.err)
		}
	}
}

func TestTooLarge(t *testing.T) {
	c := start(t, 4, 1)
	if a := get(c, Key{1, 1}, 5*arena.Unit, nil); a.err == nil || !strings.Contains(a.err.Error(), "20 KiB") {
		t.Errorf("err = %v", a.err)
	}
}

// A block that needs memory waits for a pin and takes the memory when it is given back.
func TestWaitsForPins(t *testing.T) {
	c := start(t, 2, 2)
	var loads atomic.Int64
	first := get(c, Key{1, 0}, 2*arena.Unit, filler(Key{1, 0}, &loads))
	if first.err != nil {
		t.Fatal(first.err)
	}
	ch := make(chan answer, 2)
	for i := range int64(2) {
		key := Key{1, 1 + i}
		c.Get(key, arena.Unit, filler(key, &loads).load, func(b *Block, how How, err error) { ch <- answer{b, how, err} })
	}
	waitFor(t, "a worker to reserve", func() bool { c.mu.Lock(); defer c.mu.Unlock(); return c.reserving })
	select {
	case a := <-ch:
		t.Fatalf("memory that is pinned was given to %v", a)
	default:
	}
	first.b.Unpin()
	for range 2 {
		a := <-ch
		if a.err != nil {
			t.Fatal(a.err)
		}
		a.b.Unpin()
	}
	if s := c.Stats(); s.Evictions != 1 || s.Loads != 3 {
		t.Errorf("stats %+v", s)
	}
}

func TestLeastRecentlyUsedGoesFirst(t *testing.T) {
	c := start(t, 3, 1)
	var loads atomic.Int64
	ask := func(i int64) How {
		key := Key{1, i}
		a := get(c, key, arena.Unit, filler(key, &loads))
		if a.err != nil {
			t.Fatal(a.err)
		}
		c.holds(t, a.b, key)
		a.b.Unpin()
		return a.how
	}
	for _, step := range []struct {
		block int64
		want  How
	}{{0, Missed}, {1, Missed}, {2, Missed}, {0, Hit}, {3, Missed}, {0, Hit}, {1, Missed}} {
		if how := ask(step.block); how != step.want {
			t.Errorf("block %d: %d, want %d", step.block, how, step.want)
		}
	}
}

func TestPrefetch(t *testing.T) {
	c := start(t, 8, 1)
	var loads atomic.Int64
	for i := range int64(8) {
		if key := (Key{1, i}); !c.Prefetch(key, arena.Unit, filler(key, &loads).load) {
			t.Errorf("block %d is not taken", i)
		}
	}
	quiet := func() bool {
		c.mu.Lock()
		defer c.mu.Unlock()
		for _, b := range c.blocks {
			if b.state != resident {
				return false
			}
		}
		return len(c.ahead) == 0
	}
	waitFor(t, "the prefetched blocks", quiet)
	if n := loads.Load(); n != 4 {
		t.Errorf("%d blocks prefetched into a budget of 8, want half of it", n)
	}
	a := get(c, Key{1, 0}, arena.Unit, nil)
	if a.how != Hit || a.err != nil {
		t.Errorf("a prefetched block: %d, %v", a.how, a.err)
	}
	c.holds(t, a.b, Key{1, 0})
	a.b.Unpin()
	if s := c.Stats(); s.BytesUnused != 3*arena.Unit {
		t.Errorf("%d bytes unused, want %d", s.BytesUnused, 3*arena.Unit)
	}
	// Push everything out: what was evicted unused still counts.
	for i := range int64(8) {
		key := Key{2, i}
		a := get(c, key, arena.Unit, filler(key, &loads))
		a.b.Unpin()
	}
	if s := c.Stats(); s.BytesUnused != 3*arena.Unit {
		t.Errorf("%d bytes unused after eviction, want %d", s.BytesUnused, 3*arena.Unit)
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.unused != 0 {
		t.Errorf("%d bytes still count as prefetched", c.unused)
	}
}

// Somebody asks for a block that only stands in the queue of prefetches: it goes in front.
func TestDemandOvertakesPrefetch(t *testing.T) {
	c := start(t, 64, 1)
	var loads atomic.Int64
	begin, busy := make(chan struct{}), make(chan struct{})
	ch := make(chan answer, 2)
	c.Get(Key{9, 9}, 10, func(context.Context, []byte) (How, error) { close(busy); <-begin; return Missed, nil },
		func(b *Block, how How, err error) { ch <- answer{b, how, err} })
	<-busy
	var order []int64
	note := func(key Key) fill {
		return func(ctx context.Context, dst []byte) error {
			order = append(order, key.Block) // the only worker writes, the test reads after all answers
			return filler(key, &loads)(ctx, dst)
		}
	}
	for i := range int64(3) {
		c.Prefetch(Key{1, i}, 10, note(Key{1, i}).load)
	}
	c.Get(Key{1, 2}, 10, note(Key{1, 2}).load, func(b *Block, how How, err error) { ch <- answer{b, how, err} })
	close(begin)
	for range 2 {
		a := <-ch
		if a.err != nil {
			t.Fatal(a.err)
		}
		a.b.Unpin()
	}
	waitFor(t, "three loads", func() bool { return loads.Load() == 3 })
	c.Close()
	if fmt.Sprint(order) != "[2 0 1]" {
		t.Errorf("loaded in the order %v", order)
	}
}

func TestCloseAnswersEverybody(t *testing.T) {
	region, err := memory.New(4 * arena.Unit)
	if err != nil {
		t.Fatal(err)
	}
	defer region.Close()
	c := New(region, 0, region.Size(), 1)
	busy := make(chan struct{})
	ch := make(chan answer, 5)
	for i := range int64(5) {
		c.Get(Key{1, i}, 10, func(ctx context.Context, _ []byte) (How, error) {
			close(busy)
			<-ctx.Done()
			return Missed, ctx.Err()
		}, func(b *Block, how How, err error) { ch <- answer{b, how, err} })
	}
	<-busy
	c.Close()
	for range 5 {
		if a := <-ch; a.err == nil {
			t.Error("an answer without an error from a closed cache")
		}
	}
	if a := get(c, Key{1, 1}, 1, nil); !errors.Is(a.err, ErrClosed) {
		t.Errorf("Get after Close: %v", a.err)
	}
}

// Blocks of many sizes, many askers, a budget far too small: every block read is right, and all ends.
func TestChurn(t *testing.T) {
	c := start(t, 24, 3)
	var loads atomic.Int64
	var askers sync.WaitGroup
	for g := range uint64(8) {
		askers.Go(func() {
			r := rand.New(rand.NewPCG(g, 1))
			for range 300 {
				key := Key{uint64(r.IntN(3)), int64(r.IntN(20))}
				size := int(key.Array+1)*arena.Unit*2 - int(key.Block)*100
				if r.IntN(5) == 0 {
					c.Prefetch(key, size, filler(key, &loads).load)
					continue
				}
				a := get(c, key, size, filler(key, &loads))
				if a.err != nil {
					t.Error(a.err)
					return
				}
				c.holds(t, a.b, key)
				a.b.Unpin()
			}
		})
	}
	askers.Wait()
}

// Somebody asks for a block just as its prefetch finds no room and the cache is closed.
func TestCloseAnswersWhoAskedLate(t *testing.T) {
	region, err := memory.New(4 * arena.Unit)
	if err != nil {
		t.Fatal(err)
	}
	defer region.Close()
	c := New(region, 0, region.Size(), 0) // the test is its worker
	key := Key{1, 1}
	if !c.Prefetch(key, 10, nil) {
		t.Fatal("not queued")
	}
	b := c.next()
	ch := make(chan answer, 1)
	c.Get(key, 10, nil, func(b *Block, how How, err error) { ch <- answer{b, how, err} })
	c.Close()
	c.finish(b, nowhere, 0, errNoRoom)
	select {
	case a := <-ch:
		if !errors.Is(a.err, ErrClosed) {
			t.Errorf("answered with %v", a.err)
		}
	default:
		t.Error("nobody answers")
	}
}
