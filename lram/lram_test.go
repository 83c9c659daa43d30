package lram

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gridrun/collectives"
	"gridrun/lram/format/array"
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
	p := randomPlain(t, rand.New(rand.NewPCG(1, 1)), t.TempDir(), "x", "float32", []int{2, 26, 96, 90})
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
			blocks := int64(2 * 26) // a level a block
			header := total.BytesRead - p.bytes
			asks := total.HitsLocal + total.Waits + total.Misses
			if total.Decodes != blocks || total.Misses != blocks || asks != 2*blocks*int64(n) || total.Requests != int64(2*n) ||
				header < 0 || header > 4096 || total.BytesAsked != 2*p.bytes*int64(n) || total.Evictions != 0 || total.HitsRemote != 0 || total.BytesMoved != 0 {
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
		if err != nil || total.Decodes != 2 || total.BytesRead > 2*73*144*4+4096 {
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
			for { // until all four levels are there
				n, err := c.client.Count(ctx)
				if err != nil {
					return err
				}
				if n.Decodes == 4 {
					break
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

func TestConversions(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	packed := writePlain(t, dir, "packed", "int16", []int{4}, []float64{0, 100, -32768, 7}, map[string]any{"scale": 0.5, "add_offset": 200, "missing": -32768})
	floats := writePlain(t, dir, "floats", "float32", []int{4}, []float64{1.5, -9999, math.NaN(), -3.75}, map[string]any{"missing": -9999})
	bytes := writePlain(t, dir, "bytes", "uint8", []int{3}, []float64{0, 7, 200}, nil)
	big := writePlain(t, dir, "big", "int64", []int{2}, []float64{-5, 1 << 40}, nil)
	one(t, Config{}, func(ctx context.Context, c *Cache) {
		nan := math.NaN()
		check(ctx, t, c, packed, []float64{200, 250, nan, 203.5}, nil, "")
		check(ctx, t, c, packed, []float32{200, 250, float32(nan), 203.5}, nil, "")
		check(ctx, t, c, packed, []int32{200, 250}, ErrMissing, "element [2]")
		check(ctx, t, c, floats, []float64{1.5, nan, nan, -3.75}, nil, "")
		check(ctx, t, c, floats, []float32{1.5, float32(nan), float32(nan), -3.75}, nil, "")
		check(ctx, t, c, floats, []int8{1}, ErrMissing, "element [1]")
		check(ctx, t, c, bytes, []int8{0, 7}, ErrRange, "element [2]")
		check(ctx, t, c, bytes, []int16{0, 7, 200}, nil, "")
		check(ctx, t, c, bytes, []uint64{0, 7, 200}, nil, "")
		check(ctx, t, c, big, []uint64{}, ErrRange, "element [0]")
		check(ctx, t, c, big, []int32{-5}, ErrRange, "element [1]")
		check(ctx, t, c, big, []int64{-5, 1 << 40}, nil, "")
		check(ctx, t, c, big, []float64{-5, 1 << 40}, nil, "")
		type metres float32
		check(ctx, t, c, bytes, []metres{0, 7, 200}, nil, "")
	})
}

// check reads a whole array as T: want, or an error that says where after the elements in want.
func check[T Real](ctx context.Context, t *testing.T, c *Cache, p *plain, want []T, wantErr error, says string) {
	t.Helper()
	d, err := c.Open(ctx, p.ref)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	got := make([]T, p.shape[0])
	n, err := Read(ctx, d, []int{0}, p.shape, got)
	if wantErr != nil {
		if !errors.Is(err, wantErr) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), p.ref) {
			t.Errorf("%s as %T: %v, want %v at %s", p.dtype, want, err, wantErr, says)
		}
		return
	}
	if err != nil || n != len(want) {
		t.Errorf("%s as %T: %d, %v", p.dtype, want, n, err)
	}
	for i := range want {
		if got[i] != want[i] && (got[i] == got[i] || want[i] == want[i]) {
			t.Errorf("%s as %T: element %d is %v, want %v", p.dtype, want, i, got[i], want[i])
		}
	}
}

func TestErrors(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	p := writePlain(t, dir, "x", "int16", []int{5, 6}, make([]float64, 30), nil)
	one(t, Config{}, func(ctx context.Context, c *Cache) {
		_, err := c.Open(ctx, filepath.Join(dir, "no.nc"))
		if !errors.Is(err, fs.ErrNotExist) || !strings.Contains(err.Error(), "no.nc") {
			t.Errorf("a file that does not exist: %v", err)
		}
		if _, err := c.Open(ctx, p.ref+"#y"); err == nil || !strings.Contains(err.Error(), "x(") {
			t.Errorf("a variable that does not exist: %v; it must list those that do", err)
		}
		if _, err := c.Open(ctx, "nowhere:x.nc"); err == nil || !strings.Contains(err.Error(), "nowhere") {
			t.Errorf("an unknown store: %v", err)
		}
		d, err := c.Open(ctx, p.ref)
		if err != nil {
			t.Fatal(err)
		}
		buf := make([]float64, 30)
		for _, box := range [][2][]int{{{0, 0}, {6, 6}}, {{0}, {1}}, {{-1, 0}, {1, 1}}, {{0, 7}, {1, 0}}} {
			if _, err := Read(ctx, d, box[0], box[1], buf); err == nil {
				t.Errorf("box %v is read from a 5 by 6 array", box)
			}
		}
		if _, err := Read(ctx, d, []int{0, 0}, []int{5, 6}, buf[:29]); err == nil || !strings.Contains(err.Error(), "29") {
			t.Errorf("a buffer too short: %v", err)
		}
		if _, err := ReadStrided(ctx, d, []int{0, 0}, []int{1, 1}, []int{0, 1}, buf); err == nil {
			t.Error("a stride of 0 is taken")
		}
		if n, err := Read(ctx, d, []int{5, 0}, []int{0, 6}, buf); n != 0 || err != nil {
			t.Errorf("an empty box: %d, %v", n, err)
		}
		if _, _, err := d.Coord(ctx, "dim0"); !errors.Is(err, array.ErrNoCoord) {
			t.Errorf("a dimension without values: %v", err)
		}
		cancelled, cancel := context.WithCancel(ctx)
		cancel()
		if _, err := Read(cancelled, d, []int{0, 0}, []int{5, 6}, buf); err != nil && !errors.Is(err, context.Canceled) {
			t.Errorf("a cancelled read: %v", err)
		}
		if err := d.Close(); err != nil {
			t.Error(err)
		}
		if _, err := Read(ctx, d, []int{0, 0}, []int{1, 1}, buf); !errors.Is(err, ErrClosed) {
			t.Errorf("a read of a closed dataset: %v", err)
		}
		if err := c.Close(ctx); err != nil {
			t.Error(err)
		}
		if _, err := c.Open(ctx, p.ref); !errors.Is(err, ErrClosed) {
			t.Errorf("an open in a closed cache: %v", err)
		}
	})
}

// A file that is not what it was when it was opened: an error for what is not cached yet, and the new contents for who opens it anew.
func TestFileChanges(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	p := writePlain(t, dir, "x", "float64", []int{2, 8192}, make([]float64, 2*8192), nil)
	one(t, Config{}, func(ctx context.Context, c *Cache) {
		d, err := c.Open(ctx, p.ref)
		if err != nil {
			t.Fatal(err)
		}
		row := make([]float64, 8192)
		if _, err := Read(ctx, d, []int{0, 0}, []int{1, 8192}, row); err != nil {
			t.Fatal(err)
		}
		values := make([]float64, 2*8192)
		for i := range values {
			values[i] = 3
		}
		writePlain(t, dir, "new", "float64", p.shape, values, nil)
		if err := os.Rename(filepath.Join(dir, "new.bin"), filepath.Join(dir, "x.bin")); err != nil {
			t.Fatal(err)
		}
		_, err = Read(ctx, d, []int{1, 0}, []int{1, 8192}, row)
		if !errors.Is(err, store.ErrChanged) || !strings.Contains(err.Error(), "x.bin") {
			t.Errorf("a read of a changed file: %v", err)
		}
		again, err := c.Open(ctx, p.ref)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Read(ctx, again, []int{0, 0}, []int{1, 8192}, row); err != nil || row[0] != 3 {
			t.Errorf("the new file: %v, %v", row[0], err)
		}
		if err := os.Truncate(filepath.Join(dir, "x.bin"), 100); err != nil {
			t.Fatal(err)
		}
		if _, err := Read(ctx, again, []int{1, 0}, []int{1, 8192}, row); !errors.Is(err, store.ErrChanged) {
			t.Errorf("a read of a file cut short: %v", err)
		}
	})
}

// Whatever is wrong with one rank's configuration, every rank of every size gets an error that names it.
func TestNewFailsEverywhere(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	bad := filepath.Join(dir, "bad.json")
	if err := os.WriteFile(bad, []byte(`{"memory": "1MiB", "blocksize": 3}`), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cfg  func(rank int) Config
		want string
		min  int // ranks
	}{
		{"no file", func(int) Config { return Config{File: filepath.Join(dir, "none.json")} }, "none.json", 1},
		{"unknown field", func(int) Config { return Config{File: bad} }, `unknown field "blocksize"`, 1},
		{"too much", func(int) Config { return Config{Memory: 1 << 60} }, "a cache of 1048576 TiB was asked for, but this host may use only", 1},
		{"too little", func(int) Config { return Config{Memory: 100} }, "a cache of 100 bytes was asked for, the least is 64 KiB", 1},
		{"negative", func(int) Config { return Config{Memory: -1} }, "Memory is -1 bytes", 1},
		{"block size", func(int) Config { return Config{BlockSize: 2 << 30} }, "BlockSize is", 1},
		{"one rank differs", func(rank int) Config { return Config{Memory: 1<<20 + int64(rank)} }, "Memory is 1048576 on rank 0, 1048577 on rank 1", 2},
		{"one rank's file", func(rank int) Config {
			if rank == 1 {
				return Config{File: bad}
			}
			return Config{}
		}, `unknown field "blocksize"`, 2},
	} {
		for _, n := range sizes {
			if n < c.min {
				continue
			}
			var mu sync.Mutex
			var errs []error
			err := rt.Run(context.Background(), n, func(ctx context.Context, w *rt.World) error {
				cache, err := New(ctx, w, c.cfg(w.Rank()))
				if err == nil {
					cache.Close(ctx)
				}
				mu.Lock()
				defer mu.Unlock()
				errs = append(errs, err)
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, err := range errs {
				if err == nil || !strings.Contains(err.Error(), c.want) {
					t.Errorf("%s, %d ranks: %v, want %q", c.name, n, err, c.want)
				}
			}
		}
	}
}

func TestConfigFile(t *testing.T) {
	for _, c := range []struct {
		text string
		want fileConfig
		err  string
	}{
		{`{}`, fileConfig{}, ""},
		{`{"memory": 1048576, "block_size": "64 KiB"}`, fileConfig{1 << 20, 64 << 10}, ""},
		{`{"memory": "1.5GiB"}`, fileConfig{3 << 29, 0}, ""},
		{`{"memory": "2 apples"}`, fileConfig{}, "is not a size"},
		{`{"memory": -5}`, fileConfig{}, "is not a size"},
		{`{"memory": "1e30TiB"}`, fileConfig{}, "is not a size"},
		{`{"cache": 5}`, fileConfig{}, "unknown field"},
		{`{} {}`, fileConfig{}, "more text"},
		{``, fileConfig{}, "EOF"},
	} {
		got, err := parseConfig(strings.NewReader(c.text))
		if c.err == "" && (err != nil || got != c.want) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %+v, %v; want %+v, %q", c.text, got, err, c.want, c.err)
		}
	}
}

func FuzzConfigFile(f *testing.F) {
	f.Add(`{"memory": "1MiB"}`)
	f.Add(`{"memory": 12, "block_size": 3e3}`)
	f.Fuzz(func(t *testing.T, text string) {
		c, err := parseConfig(strings.NewReader(text))
		if err == nil && (c.Memory < 0 || c.BlockSize < 0) {
			t.Errorf("%q is %+v", text, c)
		}
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
		for g := range uint64(100) { // more than the client sends at once
			readers.Go(func() {
				r := rand.New(rand.NewPCG(g, 3))
				for range 5 {
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
