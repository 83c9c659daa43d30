package lram

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"gridrun/lram/format/array"
	"gridrun/lram/store"
	"gridrun/rt"
)

func TestErrors(t *testing.T) {
	noLeaks(t)
	dir := t.TempDir()
	p := writePlain(t, dir, "x", "int16", []int{5, 6}, make([]float64, 30), nil)
	one(t, Config{}, func(ctx context.Context, c *Cache) {
		_, err := c.Open(ctx, filepath.Join(dir, "no.nc"))
		if !errors.Is(err, fs.ErrNotExist) || strings.Count(err.Error(), "no.nc") != 1 {
			t.Errorf("a file that does not exist: %v", err)
		}
		if _, err := c.Open(ctx, p.ref+"#y"); !errors.Is(err, ErrNoVariable) || !strings.Contains(err.Error(), "x(") {
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
