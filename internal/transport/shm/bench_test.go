package shm

import (
	"runtime"
	"strconv"
	"sync/atomic"
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// counter is a Sink that counts; answer, if set, is called for each frame.
type counter struct {
	arrived atomic.Int64
	bytes   atomic.Int64
	failed  atomic.Int64 // frames given back with an error
	down    func(p int, err error)
	answer  func(h *wire.Header)
	buf     []byte
}

func (c *counter) Arrived(from int, h *wire.Header, body []byte) {
	c.arrived.Add(1)
	if c.answer != nil {
		c.answer(h)
	}
}

func (c *counter) Place(from int, h *wire.Header) []byte { return c.buf[h.Off : h.Off+uint64(h.Body)] }

func (c *counter) Placed(from int, h *wire.Header) {
	c.bytes.Add(int64(h.Body))
	if h.Off+uint64(h.Body) == h.Len {
		c.arrived.Add(1)
		if c.answer != nil {
			c.answer(h)
		}
	}
}

func (c *counter) Sent(f *transport.Frame, err error) {
	if err != nil {
		c.failed.Add(1)
	}
}

func (c *counter) Down(p int, err error) {
	if c.down != nil {
		c.down(p, err)
	}
}

func BenchmarkPollIdle(b *testing.B) {
	for _, procs := range []int{2, 93, 1000} {
		b.Run(strconv.Itoa(procs), func(b *testing.B) {
			n, err := Open(segments1(b, procs), 0, &counter{})
			if err != nil {
				b.Fatal(err)
			}
			defer n.Close()
			for b.Loop() {
				n.Poll()
			}
		})
	}
}

func segments1(t testing.TB, procs int) *Segment {
	s, err := Create(numbers(procs))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// BenchmarkPostPoll is the work of both ends for 8 bytes, on one core.
func BenchmarkPostPoll(b *testing.B) {
	s := segments1(b, 2)
	var nets [2]*Net
	for i := range nets {
		n, err := Open(s, i, &counter{})
		if err != nil {
			b.Fatal(err)
		}
		defer n.Close()
		nets[i] = n
	}
	f := &transport.Frame{Header: wire.Header{Kind: wire.Eager, Len: 8}, Body: make([]byte, 8)}
	link := nets[0].Link(1)
	nets[1].Watch(true)
	for b.Loop() {
		link.Post(f)
		nets[1].Poll()
	}
}

func startEcho(b *testing.B) (*Net, *counter) {
	s := segments1(b, 2)
	c := &counter{}
	n, err := Open(s, 0, c)
	if err != nil {
		b.Fatal(err)
	}
	cmd := start(b, s, "echo", 1)
	b.Cleanup(func() {
		n.Close()
		if err := cmd.Wait(); err != nil {
			b.Error(err)
		}
	})
	return n, c
}

// BenchmarkRoundTrip is two processes that poll: 8 bytes there and back.
func BenchmarkRoundTrip(b *testing.B) {
	n, c := startEcho(b)
	link := n.Link(1)
	f := &transport.Frame{Header: wire.Header{Kind: wire.Eager, Len: 8}, Body: make([]byte, 8)}
	want := int64(0)
	for b.Loop() {
		link.Post(f)
		want++
		for spins := 0; c.arrived.Load() < want; spins++ {
			n.Poll()
			if spins%1000 == 999 {
				runtime.Gosched()
			}
		}
	}
}

// BenchmarkStream is Data from one process to another, both polling.
func BenchmarkStream(b *testing.B) {
	for _, size := range []int{16 << 10, 1 << 20, 16 << 20} {
		b.Run(strconv.Itoa(size), func(b *testing.B) {
			n, c := startEcho(b)
			link := n.Link(1)
			f := &transport.Frame{Header: wire.Header{Kind: wire.Data, Len: uint64(size)}, Body: make([]byte, size)}
			b.SetBytes(int64(size))
			want := int64(0)
			for b.Loop() {
				link.Post(f)
				want++
				for c.arrived.Load() < want {
					n.Poll()
				}
			}
		})
	}
}
