package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"
	"time"

	"gridrun/lram/format/array"
	"gridrun/lram/internal/client"
	"gridrun/lram/internal/link"
	"gridrun/lram/internal/memory"
	"gridrun/lram/internal/proto"
	"gridrun/lram/store"
)

// memoryStore has one array x of 16 rows of 1024 float64, row r all r.
func memoryStore() store.Set {
	var data []byte
	for r := range 16 {
		data = append(data, bytes.Repeat(rowElement(r), 1024)...)
	}
	return store.Set{"mem": fstest.MapFS{
		"x.json": {Data: []byte(`{"path": "x.bin", "dtype": "float64", "shape": [16, 1024], "coordinates": {"dim0": {"values": [0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15], "unit": "m"}}}`)},
		"x.bin":  {Data: data},
	}}
}

func rowElement(r int) []byte {
	b := make([]byte, 8)
	bits := math.Float64bits(float64(r))
	for i := range b {
		b[i] = byte(bits >> (8 * i))
	}
	return b
}

const ref = "mem:x.json"

// noGoroutines checks at the end that none stayed.
func noGoroutines(t testing.TB) {
	t.Helper()
	before := runtime.NumGoroutine()
	t.Cleanup(func() {
		for deadline := time.Now().Add(5 * time.Second); runtime.NumGoroutine() > before; runtime.Gosched() {
			if time.Now().After(deadline) {
				buf := make([]byte, 64<<10)
				t.Fatalf("%d goroutines, %d before\n%s", runtime.NumGoroutine(), before, buf[:runtime.Stack(buf, true)])
			}
		}
	})
}

// serve starts a session for a rank; done gives what Serve returned.
func serve(s *Server, wrap func(link.Link) link.Link) (rank link.Link, done chan error) {
	mine, theirs := link.Pipe()
	if wrap != nil {
		theirs = wrap(theirs)
	}
	done = make(chan error, 1)
	go func() { done <- s.Serve(context.Background(), theirs) }()
	return mine, done
}

func TestBudget(t *testing.T) {
	for _, c := range []struct {
		asked, available int64
		known            bool
		want             int64
		err              []string
	}{
		{0, 8 << 30, true, 2 << 30, nil},
		{0, 0, false, unknownMemory, nil},
		{1 << 30, 8 << 30, true, 1 << 30, nil},
		{1 << 50, 0, false, 1 << 50, nil},
		{9 << 30, 8 << 30, true, 0, []string{"9 GiB", "8 GiB"}},
		{1000, 8 << 30, true, 0, []string{"1000 bytes", "64 KiB"}},
		{-1, 8 << 30, true, 0, []string{"-1"}},
		{0, 1000, true, 0, []string{"1000 bytes"}},
	} {
		got, err := budget(c.asked, c.available, c.known)
		if got != c.want || (err == nil) != (c.err == nil) {
			t.Errorf("budget(%d, %d, %v) = %d, %v", c.asked, c.available, c.known, got, err)
		}
		for _, part := range c.err {
			if err != nil && !strings.Contains(err.Error(), part) {
				t.Errorf("budget(%d, %d): %v does not say %q", c.asked, c.available, err, part)
			}
		}
	}
}

// talk sends frames and returns what Serve makes of them.
func talk(t *testing.T, s *Server, frames ...proto.Frame) error {
	t.Helper()
	l, done := serve(s, nil)
	go io.Copy(io.Discard, l)
	for _, f := range frames {
		b, err := proto.Append(nil, f)
		if err != nil {
			t.Fatal(err)
		}
		l.Write(b) // a session that has ended already takes no more
	}
	// What has been written has been taken in, and is acted on before the end is seen.
	l.Close()
	return <-done
}

// What no rank of ours would send ends the session with an error, and the server goes on.
func TestMalformed(t *testing.T) {
	noGoroutines(t)
	s := New(memoryStore())
	hello := &proto.Hello{Version: proto.Version, Cache: "c", Memory: 1 << 20}
	open := &proto.Open{Request: 1, Ref: ref}
	for _, frames := range [][]proto.Frame{
		{open},
		{hello, hello},
		{hello, &proto.Close{Array: 1}},
		{hello, &proto.Get{Request: 1, Array: 7, Blocks: []int64{0}}},
		{hello, &proto.Prefetch{Array: 7, Blocks: []int64{0}}},
		{hello, &proto.Release{Request: 4, Positions: []uint32{0}}},
		{hello, &proto.Granted{}},
	} {
		if err := talk(t, s, frames...); !errors.Is(err, proto.ErrMalformed) {
			t.Errorf("%+v: %v", frames, err)
		}
	}
	if err := talk(t, s, hello, open, &proto.Cancel{Request: 99}); err != nil {
		t.Errorf("a cancel of what is over: %v", err)
	}
	if len(s.houses) != 0 {
		t.Errorf("%d caches stay", len(s.houses))
	}
}

func TestWelcomeRefuses(t *testing.T) {
	noGoroutines(t)
	s := New(nil)
	for _, c := range []struct {
		hello proto.Hello
		want  string
	}{
		{proto.Hello{Cache: "c", Memory: 5}, "the least is"},
		{proto.Hello{Cache: "c", Memory: math.MaxInt64}, "may use only"},
	} {
		l, done := serve(s, nil)
		if _, err := client.Dial(context.Background(), l, c.hello); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v", c.hello, err)
		}
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	l, done := serve(s, nil)
	first, err := client.Dial(context.Background(), l, proto.Hello{Cache: "c", Memory: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	other, otherDone := serve(s, nil)
	if _, err := client.Dial(context.Background(), other, proto.Hello{Cache: "c", Memory: 2 << 20, Rank: 3}); err == nil || !strings.Contains(err.Error(), "rank 3") {
		t.Errorf("another budget for the same cache: %v", err)
	}
	first.Close()
	for _, d := range []chan error{done, otherDone} {
		if err := <-d; err != nil {
			t.Error(err)
		}
	}
}

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
	number, d, err := c.Open(ctx, ref)
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
	number, _, err := c.Open(ctx, ref)
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
	if _, _, err := c.Open(ctx, "mem:none.json"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	c.Close()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// Many ranks open, read and close the same array again and again, through one small cache.
func TestManyRanks(t *testing.T) {
	noGoroutines(t)
	s := New(memoryStore())
	var ranks sync.WaitGroup
	for range 20 {
		ranks.Go(func() {
			for range 3 {
				l, done := serve(s, nil)
				if err := work(l); err != nil {
					t.Error(err)
				}
				if err := <-done; err != nil {
					t.Error(err)
				}
			}
		})
	}
	ranks.Wait()
}

// A rank that sends any frames at all, in any order, gets an end or answers; the server stays whole.
func FuzzSession(f *testing.F) {
	var seed []byte
	for _, fr := range []proto.Frame{
		&proto.Open{Request: 1, Ref: ref}, &proto.Get{Request: 2, Array: 1, Blocks: []int64{0, 1}}, &proto.Release{Request: 2, Positions: []uint32{0}},
		&proto.Cancel{Request: 2}, &proto.Prefetch{Array: 1, Blocks: []int64{2}}, &proto.Coord{Request: 3, Array: 1}, &proto.Count{Request: 4}, &proto.Close{Array: 1},
	} {
		seed, _ = proto.Append(seed, fr)
	}
	f.Add(seed)
	f.Add([]byte{0, 0, 0, 0})
	s := New(memoryStore())
	f.Fuzz(func(t *testing.T, b []byte) {
		l, done := serve(s, nil)
		hello, err := proto.Append(nil, &proto.Hello{Version: proto.Version, Cache: fmt.Sprint(rand.Uint64()), Memory: 64 << 10})
		if err != nil {
			t.Fatal(err)
		}
		go io.Copy(io.Discard, l)
		l.Write(hello)
		l.Write(b)
		l.Close()
		<-done
	})
}
