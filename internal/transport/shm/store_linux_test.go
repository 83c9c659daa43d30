package shm

import (
	"bytes"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

func TestRowOf(t *testing.T) {
	for _, c := range []struct {
		free uint64
		n    int
		want int
	}{
		{0, 1, -1},
		{1, 1, 0},
		{1 << 63, 1, 63},
		{1 << 63, 2, -1},
		{3 << 62, 2, 62},
		{0b1011, 2, 0},
		{0b1101, 2, 2},
		{0b11101110111, 4, -1},
		{^uint64(0), 64, 0},
		{^uint64(1), 64, -1},
		{^uint64(1), 63, 1},
	} {
		if got := rowOf(c.free, c.n); got != c.want {
			t.Errorf("%d in a row of %#b: %d, want %d", c.n, c.free, got, c.want)
		}
	}
}

// What is stored is there for the receiver until it gives the room back, in the first
// place that is free; what does not fit is not stored.
func TestStore(t *testing.T) {
	s := segments(t, 3)
	a, b := open(t, s[0], 0), open(t, s[1], 1)
	open(t, s[2], 2)
	to, from := a.peer(1), b.peer(0)
	if _, ok := to.Store(nil); ok {
		t.Error("nothing was stored")
	}
	if _, ok := to.Store(make([]byte, storeSize+1)); ok {
		t.Error("more than a store was stored")
	}
	var ats []uint64
	sizes := []int{1, storeChunk, storeChunk + 1, 256 << 10, 3}
	for i, n := range sizes {
		at, ok := to.Store(bytes.Repeat([]byte{byte(i + 1)}, n))
		if !ok {
			t.Fatalf("no room for %d bytes", n)
		}
		ats = append(ats, at)
	}
	for i, n := range sizes {
		if x := from.Stored(ats[i], uint64(n)); len(x) != n || bytes.Count(x, []byte{byte(i + 1)}) != n {
			t.Errorf("%d bytes are not there", n)
		}
	}
	from.Unstore(ats[1], storeChunk)
	if at, ok := to.Store(make([]byte, storeChunk)); !ok || at != ats[1] {
		t.Errorf("room that was given back: %d, %t, want %d", at, ok, ats[1])
	}
	if _, ok := to.Store(make([]byte, storeSize)); ok {
		t.Error("a whole store in one that is in use")
	}
	for i, n := range sizes {
		from.Unstore(ats[i], uint64(n))
	}
	if at, ok := to.Store(make([]byte, storeSize)); !ok || at != 0 {
		t.Errorf("an empty store: %d, %t", at, ok)
	}
	// Its receiver ends without a word: the next message takes the room.
	s[0].MarkDead(1)
	if _, ok := to.Store([]byte{1}); ok {
		t.Error("stored for a process that has ended")
	}
	if at, ok := a.peer(2).Store([]byte{1}); !ok || at != 0 {
		t.Errorf("after its receiver has ended: %d, %t", at, ok)
	}
}

// Places that no store has are refused and change nothing.
func TestStoredNonsense(t *testing.T) {
	s := segments(t, 2)
	a, b := open(t, s[0], 0), open(t, s[1], 1)
	if _, ok := a.peer(1).Store(make([]byte, storeSize)); !ok {
		t.Fatal("no room")
	}
	from := b.peer(0)
	for _, c := range [][2]uint64{
		{0, 0}, {1, 1}, {storeChunk - 1, 1}, {storeSize, 1}, {storeSize - storeChunk, storeChunk + 1},
		{0, storeSize + 1}, {1 << 63, 1 << 63}, {0, 1 << 63}, {-storeChunk & (1<<64 - 1), 2 * storeChunk},
	} {
		if x := from.Stored(c[0], c[1]); x != nil {
			t.Errorf("%d bytes at %d are there: %d", c[1], c[0], len(x))
		}
		from.Unstore(c[0], c[1])
	}
	if used := atomic.LoadUint64(a.store.used); used != ^uint64(0) {
		t.Errorf("chunks in use: %#x", used)
	}
}

// Many goroutines store while the receiver gives back: no chunk has two messages.
func TestStoreMany(t *testing.T) {
	s := segments(t, 2)
	a, b := open(t, s[0], 0), open(t, s[1], 1)
	type place struct {
		at, n uint64
		fill  byte
	}
	const senders, each = 4, 300
	places := make(chan place, senders)
	var sending sync.WaitGroup
	for g := range senders {
		sending.Go(func() {
			r := rand.New(rand.NewPCG(uint64(g), 1))
			for i := 0; i < each; {
				n := 1 + r.IntN(80_000)
				fill := byte(1 + r.IntN(255))
				if at, ok := a.peer(1).Store(bytes.Repeat([]byte{fill}, n)); ok {
					places <- place{at, uint64(n), fill}
					i++
				}
			}
		})
	}
	go func() { sending.Wait(); close(places) }()
	var receiving sync.WaitGroup
	for range 2 {
		receiving.Go(func() {
			for p := range places {
				if x := b.peer(0).Stored(p.at, p.n); bytes.Count(x, []byte{p.fill}) != int(p.n) {
					t.Errorf("%d bytes at %d have been written over", p.n, p.at)
				}
				b.peer(0).Unstore(p.at, p.n)
			}
		})
	}
	receiving.Wait()
	if used := atomic.LoadUint64(a.store.used); used != 0 {
		t.Errorf("chunks left in use: %#x", used)
	}
}
