package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"sync/atomic"
	"testing"

	"gridrun/lram/format/array"
	"gridrun/lram/internal/client"
	"gridrun/lram/internal/link"
	"gridrun/lram/internal/memory"
	"gridrun/lram/internal/proto"
	"gridrun/lram/store"
)

// faulty fails after so many reads and writes.
type faulty struct {
	link.Link
	left *atomic.Int64
}

var errFault = errors.New("fault")

func (f faulty) step() error {
	if f.left.Add(-1) < 0 {
		f.Link.Close()
		return errFault
	}
	return nil
}

func (f faulty) Read(b []byte) (int, error) {
	if err := f.step(); err != nil {
		return 0, err
	}
	return f.Link.Read(b)
}

func (f faulty) Write(b []byte) (int, error) {
	if err := f.step(); err != nil {
		return 0, err
	}
	return f.Link.Write(b)
}

func (f faulty) Share(b []byte, r *memory.Region) error {
	if err := f.step(); err != nil {
		return err
	}
	return f.Link.Share(b, r)
}

// work is a rank's whole life with the cache.
func work(l link.Link) error {
	ctx := context.Background()
	c, err := client.Dial(ctx, l, proto.Hello{Cache: "c", Memory: 64 << 10})
	if err != nil {
		return err
	}
	defer c.Close()
	number, d, err := c.Open(ctx, ref, 0)
	if err != nil {
		return err
	}
	if values, unit, err := c.Coord(ctx, number, 0); err != nil || len(values) != 16 || unit != "m" {
		return fmt.Errorf("coordinate %v %q: %w", values, unit, err)
	}
	if err := c.Prefetch(number, []int64{3, 4}); err != nil {
		return err
	}
	var blocks []int64
	rows := d.Block[0]
	for b := range int64(16 / rows) {
		blocks = append(blocks, b)
	}
	seen := 0
	_, err = c.Get(ctx, number, blocks, func(at int, data []byte, _ uint8) error {
		seen++
		for r := range rows {
			if row := data[r*8192 : (r+1)*8192]; !bytes.Equal(row, bytes.Repeat(rowElement(at*rows+r), 1024)) {
				return fmt.Errorf("row %d is wrong", at*rows+r)
			}
		}
		return nil
	})
	if err != nil || seen != len(blocks) {
		return fmt.Errorf("%d of %d blocks: %w", seen, len(blocks), err)
	}
	if _, err := c.Count(ctx); err != nil {
		return err
	}
	return c.CloseArray(number)
}

// The stream breaks at the i-th read or write of either side, for every i: an error, nothing left, and the next rank is served.
func TestFaultAtEveryStep(t *testing.T) {
	noGoroutines(t)
	s := New(memoryStore())
	for _, side := range []string{"rank", "server"} {
		for i := int64(0); ; i++ {
			left := new(atomic.Int64)
			left.Store(i)
			wrap := func(l link.Link) link.Link { return faulty{l, left} }
			var rank link.Link
			var done chan error
			if side == "server" {
				rank, done = serve(s, wrap)
			} else {
				rank, done = serve(s, nil)
				rank = wrap(rank)
			}
			err := work(rank)
			if serveErr := <-done; serveErr != nil && !errors.Is(serveErr, errFault) {
				t.Errorf("%s breaks at %d: Serve: %v", side, i, serveErr)
			}
			if left.Load() >= 0 {
				if err != nil {
					t.Errorf("%s: nothing broke: %v", side, err)
				}
				break
			}
			if i > 1000 {
				t.Fatalf("%s: no end", side)
			}
		}
		if len(s.houses) != 0 {
			t.Fatalf("%d caches stay", len(s.houses))
		}
	}
}

// A store whose reads fail now and then: the error reaches the rank, and the next Get works.
type flakyStore struct {
	store.Set
	fail *atomic.Bool
}

type flakyFile struct {
	store.File
	fail *atomic.Bool
}

func (s flakyStore) Open(ctx context.Context, name string) (store.File, error) {
	f, err := s.Set.Open(ctx, name)
	if err != nil || !strings.HasSuffix(name, ".bin") {
		return f, err
	}
	return flakyFile{f, s.fail}, nil
}

func (f flakyFile) ReadAt(p []byte, off int64) (int, error) {
	if f.fail.Load() {
		return 0, &fs.PathError{Op: "read", Path: "x.bin", Err: errors.New("input/output error")}
	}
	return f.File.ReadAt(p, off)
}

func TestReadErrorIsNotKept(t *testing.T) {
	noGoroutines(t)
	ctx := context.Background()
	fail := new(atomic.Bool)
	s := New(flakyStore{memoryStore(), fail})
	l, done := serve(s, nil)
	c, err := client.Dial(ctx, l, proto.Hello{Cache: "c", Memory: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	number, _, err := c.Open(ctx, ref, 0)
	if err != nil {
		t.Fatal(err)
	}
	ignore := func(int, []byte, uint8) error { return nil }
	fail.Store(true)
	if _, err := c.Get(ctx, number, []int64{0}, ignore); err == nil || !strings.Contains(err.Error(), "input/output error") {
		t.Errorf("a read that fails: %v", err)
	}
	fail.Store(false)
	if _, err := c.Get(ctx, number, []int64{0}, ignore); err != nil {
		t.Errorf("the next read: %v", err)
	}
	// An error of the caller ends the Get, and the client stays usable.
	mine := errors.New("mine")
	if _, err := c.Get(ctx, number, []int64{0}, func(int, []byte, uint8) error { return mine }); err != mine {
		t.Errorf("the caller's error: %v", err)
	}
	if _, _, err := c.Coord(ctx, number, 1); !errors.Is(err, array.ErrNoCoord) {
		t.Errorf("no coordinate: %v", err)
	}
	if _, _, err := c.Open(ctx, "mem:none.json", 0); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	c.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}
