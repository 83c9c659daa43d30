package tcp

import (
	"fmt"
	"io"
	"testing"
	"time"

	"gridrun/internal/transport"
	"gridrun/internal/wire"
)

// echoSink tells a channel about what has arrived and what was sent.
type echoSink struct {
	got  chan struct{}
	sent chan struct{}
	buf  []byte
	post func() // if set, answers instead of telling
}

func (s *echoSink) Arrived(int, *wire.Header, []byte) {
	if s.post != nil {
		s.post()
		return
	}
	s.got <- struct{}{}
}
func (s *echoSink) Place(_ int, h *wire.Header) []byte { return s.buf[h.Off : h.Off+uint64(h.Body)] }
func (s *echoSink) Placed(_ int, h *wire.Header) {
	if h.Off+uint64(h.Body) == h.Len {
		s.got <- struct{}{}
	}
}
func (s *echoSink) Sent(f *transport.Frame, err error) {
	if err != nil {
		panic(err)
	}
	if s.sent != nil {
		s.sent <- struct{}{}
	}
}
func (s *echoSink) Down(int, error) {}

// One op is a message there and one back: latency is half of it.
func BenchmarkRoundTrip8(b *testing.B) {
	a, z := &echoSink{got: make(chan struct{}, 1)}, &echoSink{}
	m := newMesh(b, []transport.Sink{a, z}, nil)
	there, back := m.nets[0].Link(1), m.nets[1].Link(0)
	z.post = func() { back.Post(eager(0, make([]byte, 8))) }
	f := eager(0, make([]byte, 8))
	for range b.N {
		there.Post(f)
		<-a.got
	}
}

func BenchmarkBandwidth(b *testing.B) {
	for _, size := range []int{16 << 10, 1 << 20, 16 << 20} {
		b.Run(fmt.Sprint(size>>10, "KiB"), func(b *testing.B) {
			const window = 4
			a := &echoSink{sent: make(chan struct{}, window)}
			z := &echoSink{got: make(chan struct{}, window), buf: make([]byte, size)}
			m := newMesh(b, []transport.Sink{a, z}, nil)
			body := make([]byte, size)
			l := m.nets[0].Link(1)
			b.SetBytes(int64(size))
			b.ResetTimer()
			go func() {
				for i := range b.N {
					if i >= window {
						<-a.sent
					}
					l.Post(data(0, body))
				}
			}()
			for range b.N {
				<-z.got
			}
			for range min(window, b.N) {
				<-a.sent
			}
		})
	}
}

// What the same exchange costs without this package.
func BenchmarkRoundTrip8Raw(b *testing.B) {
	a, z := connPair()
	defer a.Close()
	defer z.Close()
	a.SetDeadline(time.Time{})
	z.SetDeadline(time.Time{})
	const size = wire.HeaderSize + 8
	go func() {
		buf := make([]byte, size)
		for {
			if _, err := io.ReadFull(z, buf); err != nil {
				return
			}
			z.Write(buf)
		}
	}()
	buf := make([]byte, size)
	for range b.N {
		a.Write(buf)
		if _, err := io.ReadFull(a, buf); err != nil {
			b.Fatal(err)
		}
	}
}
