package shm

import (
	"runtime"
	"strconv"
	"testing"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

func BenchmarkPollIdle(b *testing.B) {
	for _, procs := range []int{2, 93, 1000} {
		b.Run(strconv.Itoa(procs), func(b *testing.B) {
			n, err := Open(segment(b, procs), 0, &counter{})
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

// BenchmarkPostPoll is the work of both ends for 8 bytes, on one core.
func BenchmarkPostPoll(b *testing.B) {
	s := segment(b, 2)
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
	s := segment(b, 2)
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
