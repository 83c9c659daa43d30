package trace

import (
	"bytes"
	"errors"
	"fmt"
	"gridrun/internal/hostclock"
	"strings"
	"sync"
	"testing"
	"unsafe"
)

// memory is a rank's, aligned as mapped memory is.
func memory(events int) []byte {
	words := make([]uint64, Size(events)/8)
	return unsafe.Slice((*byte)(unsafe.Pointer(unsafe.SliceData(words))), 8*len(words))
}

func attach(t testing.TB, mem []byte, rank int) *Recorder {
	t.Helper()
	r, err := Attach(mem, rank, hostclock.New())
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func decode(t testing.TB, mem []byte) *Dump {
	t.Helper()
	d, err := Decode(Used(mem))
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestRoundTrip(t *testing.T) {
	mem := memory(16)
	r := attach(t, mem, 7)
	r.Sent(3, OtherHost, 10)
	r.Sent(3, OtherHost, 0)
	r.Called(5)
	r.Brought(5, 99)
	r.Waited(Wait{Op: 5, Peer: 2, Tag: -1, Group: 8, Begin: r.Now() - 1000})
	r.Fetched(6, "u", r.Now(), Reads{Reads: 1, Hits: 2, Missed: 3, Asked: 400})
	r.Add(Event{Kind: Span, Begin: r.Now(), Peer: -1, Tag: -1}, "phase")
	r.Add(Event{Kind: Out, Begin: r.Now(), Op: 3, Peer: 1, Tag: 4, Group: 2, Bytes: 10, ID: 77}, "")

	d := decode(t, mem)
	if d.Rank != 7 || d.Sent[3][OtherHost] != (Count{2, 10}) || d.Ops[5].Calls != 1 || d.Ops[5].Bytes != 99 || d.Ops[5].Waits != 1 || d.Ops[5].Blocked < 1000 {
		t.Errorf("%+v", d)
	}
	if len(d.Longest) != 1 || d.Longest[0].Peer != 2 || d.Longest[0].Group != 8 {
		t.Errorf("longest %+v", d.Longest)
	}
	if d.Reads != (Reads{Reads: 1, Hits: 2, Missed: 3, Asked: 400}) {
		t.Errorf("reads %+v", d.Reads)
	}
	var kinds []string
	for _, e := range d.Events {
		kinds = append(kinds, fmt.Sprint(e.Kind, d.Name(e)))
	}
	if got := strings.Join(kinds, " "); got != "3 5u 6phase 1" {
		t.Errorf("events %s", got)
	}
	if e := d.Events[3]; e.Op != 3 || e.Peer != 1 || e.Tag != 4 || e.Group != 2 || e.Bytes != 10 || e.ID != 77 || e.Dur < 0 {
		t.Errorf("%+v", e)
	}
}

// TestRing: the newest events stay, and who was overwritten is counted.
func TestRing(t *testing.T) {
	for _, n := range []int{0, 1, 7, 8, 9, 1000} {
		mem := memory(8)
		r := attach(t, mem, 0)
		for i := range n {
			r.Add(Event{Kind: Span, Bytes: uint64(i)}, "")
		}
		d := decode(t, mem)
		if want := min(n, 8); len(d.Events) != want || d.Dropped != uint64(n-want) {
			t.Errorf("%d events: %d stay, %d dropped", n, len(d.Events), d.Dropped)
		}
		for i, e := range d.Events {
			if e.Bytes != uint64(max(n-8, 0)+i) {
				t.Errorf("%d events: number %d is %d", n, i, e.Bytes)
			}
		}
	}
}

// TestCutShort: an event that its rank's death has cut short is dropped alone.
func TestCutShort(t *testing.T) {
	mem := memory(4)
	r := attach(t, mem, 0)
	for range 6 {
		r.Add(Event{Kind: Span}, "")
	}
	r.ring[6%4].Commit = 0
	if d := decode(t, mem); len(d.Events) != 3 || d.Dropped != 3 {
		t.Errorf("%d events, %d dropped", len(d.Events), d.Dropped)
	}
}

func TestLongestWaits(t *testing.T) {
	mem := memory(0)
	r := attach(t, mem, 0)
	for i := range 100 {
		r.Waited(Wait{Op: 1, Begin: r.Now() - int64((i*37%100)*1e9), Tag: int32(i * 37 % 100)})
	}
	d := decode(t, mem)
	if len(d.Longest) != Longest {
		t.Fatalf("%d waits", len(d.Longest))
	}
	for i, w := range d.Longest {
		if int(w.Tag) != 99-i {
			t.Errorf("wait %d is %+v", i, w)
		}
	}
	if d.Ops[1].Waits != 100 || len(d.Events) != 0 {
		t.Errorf("%+v, %d events", d.Ops[1], len(d.Events))
	}
}

func TestNames(t *testing.T) {
	mem := memory(2 * MaxNames)
	r := attach(t, mem, 0)
	long := strings.Repeat("x", 100)
	for i := range 2 * MaxNames {
		name := fmt.Sprint("n", i%300)
		if i == 0 {
			name = long
		}
		r.Add(Event{Kind: Span}, name)
	}
	d := decode(t, mem)
	if len(d.Names) != MaxNames || d.Name(d.Events[0]) != long[:MaxName] || d.Name(d.Events[5]) != "n5" || d.Name(d.Events[290]) != "" || d.Name(d.Events[305]) != "n5" {
		t.Errorf("%d names", len(d.Names))
	}
}

// TestUnused: memory that nobody has attached to says nothing.
func TestUnused(t *testing.T) {
	head, ring := Used(memory(8))
	if d, err := Decode(head, ring); d != nil || err != nil || len(head)+len(ring) != 0 {
		t.Errorf("%v %v", d, err)
	}
}

func TestAttachRefuses(t *testing.T) {
	for _, n := range []int{0, 1, HeadSize - 1, HeadSize + 1} {
		if _, err := Attach(memory(1)[:n], 0, hostclock.Clock{}); err == nil {
			t.Errorf("%d bytes are taken", n)
		}
	}
}

func TestConcurrent(t *testing.T) {
	mem := memory(64)
	r := attach(t, mem, 0)
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			for range 500 {
				r.Add(Event{Kind: Span, Begin: r.Now()}, fmt.Sprint(g))
				r.Waited(Wait{Op: uint32(g), Begin: r.Now()})
			}
		})
	}
	wg.Wait()
	d := decode(t, mem)
	if len(d.Events) != 64 || d.Dropped != 8000-64 {
		t.Errorf("%d events, %d dropped", len(d.Events), d.Dropped)
	}
}

func FuzzDecode(f *testing.F) {
	mem := memory(4)
	r := attach(f, mem, 1)
	for range 6 {
		r.Add(Event{Kind: Span, Begin: r.Now()}, "name")
	}
	head, ring := Used(mem)
	f.Add(bytes.Clone(head), bytes.Clone(ring))
	f.Add([]byte{}, []byte{})
	f.Add(bytes.Clone(head[:40]), bytes.Clone(ring))
	f.Fuzz(func(t *testing.T, head, ring []byte) {
		d, err := Decode(head, ring)
		if err != nil {
			if !errors.Is(err, ErrMemory) {
				t.Errorf("%v", err)
			}
			return
		}
		if d == nil {
			return
		}
		for _, e := range d.Events {
			if d.Name(e); e.Kind == None || e.Kind >= Kinds || e.Begin+e.Dur < e.Begin {
				t.Errorf("%+v", e)
			}
		}
	})
}

func BenchmarkSent(b *testing.B) {
	r := attach(b, memory(0), 0)
	for b.Loop() {
		r.Sent(1, SameHost, 8)
	}
}

func BenchmarkAdd(b *testing.B) {
	r := attach(b, memory(1<<12), 0)
	for b.Loop() {
		r.Add(Event{Kind: Out, Begin: r.Now()}, "")
	}
}
