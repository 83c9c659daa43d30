package lram

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"gridrun/collectives"
	"gridrun/lram/store"
	"gridrun/rt"
)

var sizes = []int{1, 2, 3, 5, 8}

// run is rt.Run with a cache on every rank.
func run(t *testing.T, n int, cfg Config, body func(ctx context.Context, w *rt.World, c *Cache) error) {
	t.Helper()
	err := rt.Run(context.Background(), n, func(ctx context.Context, w *rt.World) error {
		c, err := New(ctx, w, cfg)
		if err != nil {
			return err
		}
		err = body(ctx, w, c)
		return errors.Join(err, c.Close(ctx))
	})
	if err != nil {
		t.Fatal(err)
	}
}

// one is run with one rank, which needs no error to be passed on.
func one(t *testing.T, cfg Config, body func(ctx context.Context, c *Cache)) {
	t.Helper()
	run(t, 1, cfg, func(ctx context.Context, _ *rt.World, c *Cache) error {
		body(ctx, c)
		return nil
	})
}

// Random boxes and strides of every type, on every number of ranks, in a budget that holds all and in one that holds little.
func TestReadAgainstPlain(t *testing.T) {
	noLeaks(t)
	r := rand.New(rand.NewPCG(5, 6))
	dir := t.TempDir()
	var arrays []*plain
	for i, dtype := range dtypes {
		shape := [][]int{{3000}, {5, 6, 20, 9}, {1}, {15, 1000}, {7, 100, 11}}[i%5]
		arrays = append(arrays, randomPlain(t, r, dir, dtype, dtype, shape))
	}
	for _, n := range sizes {
		for _, cfg := range []Config{{Memory: 64 << 20}, {Memory: 80 << 10, BlockSize: 5000}, {Memory: 64 << 10}} {
			t.Run(fmt.Sprintf("%d ranks, %d bytes", n, cfg.Memory), func(t *testing.T) {
				run(t, n, cfg, func(ctx context.Context, w *rt.World, c *Cache) error {
					r := rand.New(rand.NewPCG(uint64(w.Rank()), 7))
					for _, p := range arrays {
						d, err := c.Open(ctx, p.ref)
						if err != nil {
							return err
						}
						for range 8 {
							start, count, stride := p.randomBox(r)
							want := p.at(start, count, stride)
							got := make([]float64, len(want))
							k, err := ReadStrided(ctx, d, start, count, stride, got)
							if err == nil {
								err = same(got[:k], want)
							}
							if err != nil {
								return fmt.Errorf("%s %v %v %v: %w", p.dtype, start, count, stride, err)
							}
						}
						if err := d.Close(); err != nil {
							return err
						}
					}
					return nil
				})
			})
		}
	}
}

// All ranks read everything at once: each block is decoded once, and nothing is read from storage twice.
func TestDecodedOnce(t *testing.T) {
	noLeaks(t)
	p := randomPlain(t, rand.New(rand.NewPCG(1, 1)), t.TempDir(), "x", "float32", []int{1, 13, 96, 90})
	for _, n := range sizes {
		run(t, n, Config{Memory: 32 << 20}, func(ctx context.Context, w *rt.World, c *Cache) error {
			d, err := c.Open(ctx, p.ref)
			if err != nil {
				return err
			}
			got := make([]float64, len(p.stored))
			for range 2 {
				if _, err := Read(ctx, d, make([]int, 4), p.shape, got); err != nil {
					return err
				}
				if err := same(got, p.stored); err != nil {
					return err
				}
			}
			total, err := c.Total(ctx)
			if err != nil {
				return err
			}
			blocks := int64(13) // a level a block
			asks := total.HitsLocal + total.Waits + total.Misses
			if total.Decodes != blocks || total.Misses != blocks || asks != 2*blocks*int64(n) || total.Requests != int64(2*n) ||
				total.BytesRead != p.bytes || total.BytesAsked != 2*p.bytes*int64(n) || total.Evictions != 0 || total.HitsRemote != 0 || total.BytesMoved != 0 {
				return fmt.Errorf("%d ranks: %+v", n, total)
			}
			return nil
		})
	}
}

// Two levels out of 26 cost two levels.
func TestNoNeedlessLevels(t *testing.T) {
	p := randomPlain(t, rand.New(rand.NewPCG(1, 1)), t.TempDir(), "x", "float32", []int{26, 73, 144})
	one(t, Config{}, func(ctx context.Context, c *Cache) {
		d, err := c.Open(ctx, p.ref)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]float32, 73*144)
		for _, level := range []int{3, 20} {
			if _, err := Read(ctx, d, []int{level, 0, 0}, []int{1, 73, 144}, buf); err != nil {
				t.Fatal(err)
			}
		}
		total, err := c.Total(ctx)
		if err != nil || total.Decodes != 2 || total.BytesRead != 2*73*144*4 {
			t.Errorf("%+v, %v", total, err)
		}
	})
}

func TestEviction(t *testing.T) {
	noLeaks(t)
	p := randomPlain(t, rand.New(rand.NewPCG(1, 1)), t.TempDir(), "x", "float64", []int{64, 2048})
	run(t, 3, Config{Memory: 128 << 10}, func(ctx context.Context, w *rt.World, c *Cache) error {
		d, err := c.Open(ctx, p.ref)
		if err != nil {
			return err
		}
		got := make([]float64, len(p.stored)) // 1 MiB through 128 KiB
		for range 3 {
			if _, err := Read(ctx, d, []int{0, 0}, p.shape, got); err != nil {
				return err
			}
			if err := same(got, p.stored); err != nil {
				return err
			}
		}
		total, err := c.Total(ctx)
		if err == nil && (total.Evictions == 0 || total.Decodes < 32) {
			err = fmt.Errorf("%+v", total)
		}
		return err
	})
}

// The real winds behind a store, with coordinates and attributes.
func TestRealWinds(t *testing.T) {
	noLeaks(t)
	const file = "../jobs/windshear/data/gfs_uv_20111008.nc"
	dir := filepath.Dir(file)
	if _, err := os.Stat(file); err != nil {
		t.Fatal(err)
	}
	run(t, 3, Config{Stores: store.Set{"builtin": os.DirFS(dir)}}, func(ctx context.Context, w *rt.World, c *Cache) error {
		d, err := c.Open(ctx, "builtin:gfs_uv_20111008.nc#u")
		if err != nil {
			return err
		}
		if got := fmt.Sprint(d.Shape(), d.Dims(), d.DType()); got != "[1 26 73 144] [time plev lat lon]float32" {
			return errors.New(got)
		}
		levels, unit, err := d.Coord(ctx, "plev")
		if err != nil || len(levels) != 26 || unit != "Pa" {
			return fmt.Errorf("plev: %v %q %v", levels, unit, err)
		}
		if _, _, err := d.Coord(ctx, "depth"); err == nil || !strings.Contains(err.Error(), "time, plev, lat, lon") {
			return fmt.Errorf("depth: %v", err)
		}
		if d.Attrs()["units"] == nil {
			return fmt.Errorf("attributes %v", d.Attrs())
		}
		values := make([]float32, 144)
		if _, err := Read(ctx, d, []int{0, 10, 36, 0}, []int{1, 1, 1, 144}, values); err != nil {
			return err
		}
		for _, v := range values {
			if math.Abs(float64(v)) > 150 || v != v {
				return fmt.Errorf("a wind of %v m/s", v)
			}
		}
		return nil
	})
}

func TestPrefetch(t *testing.T) {
	noLeaks(t)
	p := randomPlain(t, rand.New(rand.NewPCG(1, 1)), t.TempDir(), "x", "float32", []int{8, 128, 100})
	run(t, 2, Config{Memory: 8 << 20}, func(ctx context.Context, w *rt.World, c *Cache) error {
		d, err := c.Open(ctx, p.ref)
		if err != nil {
			return err
		}
		if w.Rank() == 0 {
			if err := d.Prefetch(ctx, []int{0, 0, 0}, []int{4, 128, 100}); err != nil {
				return err
			}
			if err := d.Prefetch(ctx, []int{8, 0, 0}, []int{1, 1, 1}); err == nil {
				return errors.New("prefetched beyond the array")
			}
			for deadline := time.Now().Add(time.Minute); ; {
				n, err := c.client.Count(ctx)
				if err != nil {
					return err
				}
				if n.Decodes == 4 {
					break
				}
				if time.Now().After(deadline) {
					return fmt.Errorf("%d of 4 blocks prefetched", n.Decodes)
				}
			}
		}
		if err := collectives.Barrier(ctx, w); err != nil {
			return err
		}
		buf := make([]float32, 128*100)
		if _, err := Read(ctx, d, []int{1, 0, 0}, []int{1, 128, 100}, buf); err != nil {
			return err
		}
		total, err := c.Total(ctx)
		if err == nil && (total.HitsLocal != 2 || total.Misses != 0 || total.Waits != 0 || total.BytesPrefetchedUnused != 3*128*100*4) {
			err = fmt.Errorf("%+v", total)
		}
		return err
	})
}

// Many goroutines of one rank use one dataset at once.
func TestConcurrentReads(t *testing.T) {
	noLeaks(t)
	p := randomPlain(t, rand.New(rand.NewPCG(2, 2)), t.TempDir(), "x", "int32", []int{50, 40, 30})
	one(t, Config{Memory: 96 << 10, BlockSize: 8 << 10}, func(ctx context.Context, c *Cache) {
		d, err := c.Open(ctx, p.ref)
		if err != nil {
			t.Fatal(err)
		}
		var readers sync.WaitGroup
		for g := range uint64(80) { // more than the client sends at once
			readers.Go(func() {
				r := rand.New(rand.NewPCG(g, 3))
				for range 3 {
					start, count, stride := p.randomBox(r)
					want := p.at(start, count, stride)
					got := make([]float64, len(want))
					if _, err := ReadStrided(ctx, d, start, count, stride, got); err != nil {
						t.Error(err)
					} else if err := same(got, want); err != nil {
						t.Error(err)
					}
				}
			})
		}
		readers.Wait()
	})
}

// Reads that are cancelled in the middle leave nothing pinned: the tiny cache goes on working.
func TestCancelledReads(t *testing.T) {
	noLeaks(t)
	p := randomPlain(t, rand.New(rand.NewPCG(2, 2)), t.TempDir(), "x", "float64", []int{60, 1000})
	one(t, Config{Memory: 64 << 10}, func(ctx context.Context, c *Cache) {
		d, err := c.Open(ctx, p.ref)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]float64, len(p.stored))
		for i := range 30 {
			sub, cancel := context.WithCancel(ctx)
			done := make(chan error, 1)
			go func() {
				_, err := Read(sub, d, []int{0, 0}, p.shape, make([]float64, len(p.stored)))
				done <- err
			}()
			for range i * 100 {
				c.Stats()
			}
			cancel()
			if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
				t.Fatal(err)
			}
		}
		if _, err := Read(ctx, d, []int{0, 0}, p.shape, got); err != nil {
			t.Fatal(err)
		}
		if err := same(got, p.stored); err != nil {
			t.Error(err)
		}
	})
}
