package shm

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// fresh returns both ends of a ring in ordinary memory.
func fresh() (*writer, *reader) {
	r := ring{new(control), new([ringSize]byte)}
	return &writer{ring: r, limit: ringLeast}, &reader{ring: r}
}

// put writes one Eager record.
func put(w *writer, number uint32, body []byte) bool {
	h := wire.Header{Kind: wire.Eager, Body: uint32(len(body)), Len: uint64(len(body)), Seq: number, Send: uint64(number % 3)}
	size := sizeOf(&h, len(body))
	b, err := w.reserve(size, number%2 == 0)
	if b == nil || err != nil {
		return false
	}
	w.publish(size, encode(b, &h, body), number%2 == 0)
	return true
}

// TestRingIsAQueue compares a ring with a slice over random sizes.
func TestRingIsAQueue(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	w, r := fresh()
	var queue [][]byte
	var number, next uint32
	var h wire.Header
	full, empty := 0, 0
	for range 20_000 {
		if rng.IntN(100) < 52 {
			body := make([]byte, []int{0, 8, rng.IntN(100), rng.IntN(4096), rng.IntN(transport.EagerMax + 1), transport.EagerMax}[rng.IntN(6)])
			for i := range body {
				body[i] = byte(number) + byte(i)
			}
			if !put(w, number, body) {
				if full++; full%50 == 0 && w.limit < ringSize { // at any moment
					w.limit *= 2
				}
				if atomic.LoadUint32(&w.ctl.waiting) == 0 {
					t.Fatal("no room, and no signal asked for")
				}
				continue
			}
			number++
			queue = append(queue, body)
			continue
		}
		body, size, err := r.next(&h)
		if err != nil {
			t.Fatal(err)
		}
		if size == 0 {
			empty++
			if len(queue) > 0 {
				t.Fatalf("nothing to read, %d records are in", len(queue))
			}
			r.give()
			continue
		}
		if want := (wire.Header{Kind: wire.Eager, Body: uint32(len(body)), Len: uint64(len(body)), Seq: next, Send: uint64(next % 3)}); h != want {
			t.Fatalf("%+v read, want %+v", h, want)
		}
		if !bytes.Equal(body, queue[0]) {
			t.Fatalf("record %d of %d bytes read, want %d of %d", h.Seq, len(body), next, len(queue[0]))
		}
		r.skip(size)
		next++
		queue = queue[1:]
		if rng.IntN(3) == 0 {
			r.give()
		}
	}
	if full == 0 || empty == 0 || w.limit != ringSize {
		t.Errorf("full %d times, empty %d times, %d bytes used: the test has not seen all", full, empty, w.limit)
	}
}

// At every position the largest record fits an empty ring, in at most two tries.
func TestRingTakesTheLargestAnywhere(t *testing.T) {
	for at := 0; at < 3*ringLeast; at += line {
		start, limit := uint64(at), ringLeast
		if at > ringLeast { // the last part of a ring that is all used
			start, limit = uint64(at+ringSize-3*ringLeast), ringSize
		}
		w, r := fresh()
		w.limit = limit
		w.tail, r.head = start, start
		// The reader keeps as much as it may.
		w.head = start - min(start, publishEvery-line)
		r.given, w.ctl.head = w.head, w.head
		body := make([]byte, transport.EagerMax)
		if put(w, 0, body) {
			continue
		}
		var h wire.Header
		if _, size, err := r.next(&h); size != 0 || err != nil {
			t.Fatalf("at %d: %d, %v where only a mark was written", start, size, err)
		}
		if r.head-r.given >= publishEvery && w.ctl.waiting != 0 && !r.give() {
			t.Fatalf("at %d: the writer is not told", start)
		}
		if !put(w, 0, body) {
			t.Fatalf("at %d: no room in an empty ring", start)
		}
	}
}

// Rings grow where there is a lot to send, within bounds: of 93 processes one that
// talks to all others, both ways, with more than there is room for.
func TestRingsGrow(t *testing.T) {
	body := make([]byte, 8<<10)
	for _, tt := range []struct {
		procs int
		most  int64 // bytes of rings
	}{
		{2, 2 * (ringSize + 3*pageSize)},
		{maxWatched, 30 * (ringSize + 3*pageSize)},
		{93, 184*(ringLeast+3*pageSize) + (92+grownMany)*(ringMany-ringLeast)},
	} {
		s := segment(t, tt.procs)
		nets := make([]*Net, tt.procs)
		for i := range nets {
			n, err := Open(s, i, &counter{})
			if err != nil {
				t.Fatal(err)
			}
			defer n.Close()
			nets[i] = n
		}
		before := blocks(t, s)
		flood := func(from, to *Net) {
			link := from.Link(to.self)
			for range 4 * fullsToGrow {
				for range 3*from.peer(to.self).out.limit/2/len(body) + 8 {
					link.Post(&transport.Frame{Header: wire.Header{Kind: wire.Eager, Len: uint64(len(body))}, Body: body})
				}
				for to.Poll()+from.Poll() > 0 {
				}
			}
		}
		for _, n := range nets[1:] {
			flood(nets[0], n)
			flood(n, nets[0])
		}
		size := blocks(t, s) - before
		if least := tt.most * 7 / 10; size > tt.most || size < least {
			t.Errorf("%d processes: the rings of one take %d bytes, want %d to %d", tt.procs, size, least, tt.most)
		}
		// Two processes share each. The rest of a rank is less than 2 MB.
		if share := size / 2; share > 6<<20 {
			t.Errorf("%d processes: a rank's share of its rings is %d bytes", tt.procs, share)
		}
	}
}

// blocks is the memory of a segment that has come into being.
func blocks(t *testing.T, s *Segment) int64 {
	t.Helper()
	var st syscall.Stat_t
	if err := syscall.Fstat(int(s.File().Fd()), &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks * 512
}

// pair is process 0, under test, and the ring that process 1 sends to it with.
func pair(t testing.TB) (*Net, *counter, ring) {
	t.Helper()
	s := segment(t, 2)
	c := &counter{buf: make([]byte, 1<<20)}
	n, err := Open(s, 0, c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	r, err := s.claim(1, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n, c, r
}

// What a peer writes into shared memory may end the peer, never this process.
func TestSpoiltRing(t *testing.T) {
	good := wire.Header{Kind: wire.Eager, Body: 8, Len: 8}
	for name, spoil := range map[string]func(n *Net, r ring){
		"mark at the start": func(n *Net, r ring) { spoilFirst(r, markWord) },
		"no kind":           func(n *Net, r ring) { spoilFirst(r, 8) },
		"short Data":        func(n *Net, r ring) { spoilFirst(r, 8|uint64(wire.Data)<<32) },
		"huge short":        func(n *Net, r ring) { spoilFirst(r, transport.EagerMax+8|uint64(wire.Eager)<<32) },
		"endless short":     func(n *Net, r ring) { spoilFirst(r, 0xffffffff|uint64(wire.Eager)<<32) },
		"negative rank": func(n *Net, r ring) {
			r.data[11] = 0xff
			spoilFirst(r, 8|uint64(wire.Eager)<<32)
		},
		"no header":        func(n *Net, r ring) { spoilFirst(r, 8|(longBit|uint64(wire.Eager))<<32) },
		"two lengths":      func(n *Net, r ring) { good.Encode(r.data[8:]); spoilFirst(r, 16|(longBit|uint64(wire.Eager))<<32) },
		"endless header":   func(n *Net, r ring) { good.Encode(r.data[8:]); spoilFirst(r, 0xffffffff|longBit<<32) },
		"huge eager":       func(n *Net, r ring) { spoilHuge(r, wire.Eager) },
		"huge revoke":      func(n *Net, r ring) { spoilHuge(r, wire.Revoke) },
		"ring out of pool": func(n *Net, r ring) { n.seg.rings[1*2+0] = 1 << 31 },
		"head ahead": func(n *Net, r ring) {
			n.Link(1).Post(&transport.Frame{Header: wire.Header{Kind: wire.Credit}})
			n.peer(1).out.ctl.head = 1 << 40
			for range 1000 {
				n.Link(1).Post(&transport.Frame{Header: wire.Header{Kind: wire.Credit}})
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			n, c, r := pair(t)
			var down error
			c.down = func(p int, err error) {
				if p != 1 || down != nil {
					t.Errorf("Down(%d, %v) after %v", p, err, down)
				}
				down = err
			}
			spoil(n, r)
			n.own.signal(1)
			n.Poll()
			n.Poll()
			if down == nil {
				t.Fatal("the peer is not down")
			}
			before := c.failed.Load()
			n.Link(1).Post(&transport.Frame{Header: wire.Header{Kind: wire.Credit}})
			if c.failed.Load() != before+1 {
				t.Error("Post to a peer that is down does not fail")
			}
			if n.peer(1).out.blocked.Load() {
				t.Error("frames are queued still")
			}
			t.Log(down)
		})
	}
}

func spoilHuge(r ring, kind wire.Kind) {
	h := wire.Header{Kind: kind, Body: transport.EagerMax + 8, Len: transport.EagerMax + 8}
	h.Encode(r.data[8:])
	spoilFirst(r, uint64(h.Body)|(longBit|uint64(kind))<<32)
}

func spoilFirst(r ring, first uint64) { atomic.StoreUint64(r.word(0), first) }

// Whatever lies in a ring, reading it goes on within it, and ends.
func FuzzRing(f *testing.F) {
	line := make([]byte, 2*line)
	(&wire.Header{Kind: wire.Eager, Body: 8, Len: 8}).Encode(line[8:])
	f.Add(line, uint64(8)|(longBit|uint64(wire.Eager))<<32, uint64(0))
	f.Add(line, uint64(8)|uint64(wire.Eager)<<32, uint64(0))
	f.Add([]byte{0, 0, 0, 0, 0xff, 0, 0, 0}, markWord, uint64(ringLeast))
	f.Fuzz(func(t *testing.T, data []byte, first, start uint64) {
		var c control
		var mem [ringSize]byte
		start &^= 63
		r := reader{ring: ring{&c, &mem}, head: start, given: start}
		for i := range mem {
			if len(data) > 0 {
				mem[i] = data[i%len(data)]
			}
		}
		*r.word(start) = first
		var h wire.Header
		for r.head-start < ringSize {
			before := r.head
			body, size, err := r.next(&h)
			if err != nil && !errors.Is(err, wire.ErrFrame) {
				t.Fatal(err)
			}
			if size == 0 {
				return
			}
			if len(body) != int(h.Body) || len(body) > size || size%64 != 0 {
				t.Fatalf("body of %d bytes in %d, the header says %d", len(body), size, h.Body)
			}
			if skipped := r.head - before; skipped > ringSize-(ringLeast-longest) {
				t.Fatalf("passed over %d bytes", skipped)
			}
			r.skip(size)
		}
	})
}

// Post and Poll make no garbage.
func TestNoAllocation(t *testing.T) {
	s := segment(t, 2)
	c := &counter{buf: make([]byte, 1<<20)}
	a, err := Open(s, 0, c)
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	b, err := Open(s, 1, c)
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	eager := &transport.Frame{Header: wire.Header{Kind: wire.Eager, Len: 100}, Body: make([]byte, 100)}
	data := &transport.Frame{Header: wire.Header{Kind: wire.Data, Len: 100_000}, Body: make([]byte, 100_000)}
	link := a.Link(1)
	per := testing.AllocsPerRun(100, func() {
		link.Post(eager)
		link.Post(data)
		for b.Poll()+a.Poll() > 0 {
		}
	})
	if per > 0 {
		t.Errorf("%v allocations for two frames", per)
	}
	if got := c.bytes.Load(); got != 101*100_000 {
		t.Errorf("%d bytes of data arrived, want %d", got, 101*100_000)
	}
}

// A nudge that comes before the sleep ends it, also when the two have talked and
// the sleeper looks at the ring itself.
func TestNudgeOfAWatchedPeer(t *testing.T) {
	s := segment(t, 2)
	var nets [2]*Net
	for i := range nets {
		n, err := Open(s, i, &counter{})
		if err != nil {
			t.Fatal(err)
		}
		defer n.Close()
		nets[i] = n
	}
	nets[1].Watch(true)
	nets[0].Link(1).Post(&transport.Frame{Header: wire.Header{Kind: wire.Credit}})
	if nets[1].Poll() != 1 || nets[1].watched.Load() == 0 {
		t.Fatal("the ring is not watched")
	}
	for range 3 {
		nets[0].Nudge(1)
		over := make(chan struct{})
		go func() { nets[1].Sleep(0, 0); close(over) }()
		select {
		case <-over:
		case <-time.After(20 * time.Second):
			nets[1].Wake()
			<-over
			t.Fatal("asleep in spite of the nudge")
		}
		nets[1].Poll()
		if nets[1].any() {
			t.Fatal("the nudge stays")
		}
	}
}
