package server

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/fstest"
	"time"

	"gridrun/lram/internal/client"
	"gridrun/lram/internal/link"
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
		for deadline := time.Now().Add(time.Minute); runtime.NumGoroutine() > before; runtime.Gosched() {
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
	go func() { done <- s.Serve(context.Background(), Alone(), theirs) }()
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
